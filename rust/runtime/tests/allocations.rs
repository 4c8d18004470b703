//! After warm-up a packet costs no allocation, from the datagram that comes in to the datagrams that go out.
//!
//! It stands here because counting them takes an allocator, and an allocator takes `unsafe`.
#![allow(unsafe_code, clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test")]

#[path = "../../core/tests/scenarios/by_hand.rs"]
#[allow(dead_code, reason = "the scenarios use all of it")]
mod by_hand;
#[path = "../../core/tests/scenarios/world.rs"]
#[allow(dead_code, reason = "the scenarios use all of it")]
mod world;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use by_hand::{DELTA, Hall, KEYFRAME, Packet, vp8};
use sfu_transport::Egress;
use world::millis;

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is handed on unchanged; the counter is a plain cell that allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MID: &str = "extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid";
const TWCC: &str = "extmap:5 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const VIEWERS: usize = 10;

#[test]
fn after_warm_up_a_packet_costs_no_allocation() {
    let mut hall = Hall::new();
    let feedback = ["rtcp-fb:96 transport-cc", "rtcp-rsize"];
    let lines = [MID, TWCC, feedback[0], feedback[1]];
    hall.join(&[vp8("v", "sendonly", &lines)]);
    let mut payload = vec![0; 1000];
    let mut egress = Egress::new();
    let mut sent = 0;
    let mut allocations = 0;
    // One packet a millisecond for eight seconds, with a loss now and then; the last two seconds count.
    for seq in 0..8000_u16 {
        if seq == 1 {
            (0..VIEWERS).for_each(|_| _ = hall.join(&[vp8("w", "recvonly", &lines)]));
        }
        let is_keyframe = seq % 1000 == 0 || seq == 2;
        payload[..4].copy_from_slice(&DELTA[..4]);
        if is_keyframe {
            payload[..KEYFRAME.len()].copy_from_slice(KEYFRAME);
        }
        let number = seq.to_be_bytes();
        let packet = Packet { pt: 96, ssrc: 11, seq, extensions: &[(4, b"v"), (5, &number)], payload: &payload };
        let (path, mut datagram) = hall.seal(0, &packet);
        if seq % 97 == 50 {
            continue;
        }
        hall.now += millis(1);
        let before = COUNT.get();
        hall.sfu.handle_datagram(hall.now, path, &mut datagram, &mut egress);
        if seq >= 6000 {
            allocations += COUNT.get() - before;
            sent += egress.len();
        }
        egress.clear();
        if seq % 10 == 0 {
            hall.sfu.handle_timeout(hall.now, &mut egress);
            egress.clear();
        }
        if seq % 2000 == 0 {
            (0..hall.clients.len()).for_each(|index| hall.check(index, hall.clients[index].address));
        }
    }
    assert!(sent > VIEWERS * 1900, "{sent} packets went out");
    assert_eq!(allocations, 0);
}

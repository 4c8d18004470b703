//! Clips are published frame by frame, over and over, with numbers and times that never jump.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sfu_peer::{Clip, ClipSource, PeerConfig};
use sfu_wire::payload::Vp8Descriptor;
use sfu_wire::rtp::RtpPacket;
use sfu_wire::{Rid, Ssrc};

use crate::relay::{Relay, peer_config};

const AUDIO_LEVEL_ID: u8 = 1;

/// Five frames, a keyframe of three packets first.
fn picture(seed: u8) -> Vec<Vec<u8>> {
    let frame = |number: u8| {
        let len = if number == 0 { 3000 } else { 200 + usize::from(number) };
        (0..len).map(|at| if at == 0 { u8::from(number > 0) } else { seed ^ number ^ at as u8 }).collect()
    };
    (0..5).map(frame).collect()
}

/// Three packets of speech, two of silence.
fn voice() -> Vec<Vec<u8>> {
    [60, 61, 62, 8, 9].map(|len| vec![0x78; len]).to_vec()
}

fn clip(fourcc: [u8; 4], rate: u32, frames: &[Vec<u8>]) -> Arc<Clip> {
    let mut file = [&b"DKIF\0\0\x20\0"[..], &fourcc, &[0; 4]].concat();
    file.extend([rate, 1, 0, 0].iter().flat_map(|number| number.to_le_bytes()));
    for frame in frames {
        file.extend_from_slice(&(frame.len() as u32).to_le_bytes());
        file.extend_from_slice(&[0; 8]);
        file.extend_from_slice(frame);
    }
    Arc::new(Clip::parse(&file).unwrap())
}

/// What the publisher sent in some seconds, by stream.
fn published(source: ClipSource, seconds: u64) -> Vec<Vec<Vec<u8>>> {
    let publisher = PeerConfig { clips: vec![source], ..peer_config(1) };
    let mut relay = Relay::new(publisher, PeerConfig { receive_audio: 1, ..peer_config(2) });
    relay.publisher.offer_and_answer(relay.now);
    relay.run_for(Duration::from_secs(seconds));
    let mut streams: BTreeMap<Ssrc, Vec<Vec<u8>>> = BTreeMap::new();
    for packet in relay.published {
        streams.entry(RtpPacket::parse(&packet).unwrap().header().ssrc).or_default().push(packet);
    }
    for packets in streams.values() {
        let seqs = packets.iter().map(|packet| RtpPacket::parse(packet).unwrap().header().seq);
        assert!(seqs.clone().zip(seqs.skip(1)).all(|(one, next)| next == one.wrapping_add(1)));
    }
    streams.into_values().collect()
}

#[test]
fn frames_are_whole_and_loop_without_a_seam() {
    let rid = |name| Some(Rid::new(name).unwrap());
    let clips = [picture(1), picture(2)];
    let video = vec![(rid("l"), clip(*b"VP80", 15, &clips[0])), (rid("h"), clip(*b"VP80", 15, &clips[1]))];
    let mut streams = published(ClipSource { video, audio: None }, 3);
    assert_eq!(streams.len(), 2);
    // The encodings are told apart by what they carry.
    streams.sort_by_key(|packets| RtpPacket::parse(&packets[0]).unwrap().payload()[20]);
    let mut loops = 0;
    for packets in streams {
        let (mut frame, mut number, mut last) = (Vec::new(), 0_usize, None);
        let first = RtpPacket::parse(&packets[0]).unwrap().header().timestamp;
        for packet in &packets {
            let packet = RtpPacket::parse(packet).unwrap();
            let (descriptor, len) = Vp8Descriptor::parse(packet.payload()).unwrap();
            assert!(packet.payload().len() - len <= 1100);
            assert_eq!(descriptor.starts_frame(), frame.is_empty());
            frame.extend_from_slice(&packet.payload()[len..]);
            if !packet.header().marker {
                continue;
            }
            assert!(clips.iter().any(|clip| clip[number % 5] == frame), "frame {number}");
            assert_eq!(packet.header().timestamp.wrapping_sub(first), 6000 * number as u32, "frame {number}");
            let counters = (descriptor.picture_id.unwrap().get(), descriptor.tl0_pic_idx.unwrap());
            if let Some((picture, tl0)) = last.replace(counters) {
                assert_eq!(counters, ((picture + 1) & 0x7fff, u8::wrapping_add(tl0, 1)));
            }
            number += 1;
            frame.clear();
        }
        loops += number / 5;
    }
    assert!(loops >= 12, "{loops}");
}

#[test]
fn speech_is_loud_and_silence_is_not() {
    let streams = published(ClipSource { video: Vec::new(), audio: Some(clip(*b"OPUS", 50, &voice())) }, 2);
    let [packets] = &streams[..] else { panic!("{} streams", streams.len()) };
    assert!(packets.len() > 60);
    for (number, packet) in packets.iter().enumerate() {
        let packet = RtpPacket::parse(packet).unwrap();
        assert_eq!(packet.payload(), voice()[number % 5]);
        let level = packet.extension(AUDIO_LEVEL_ID).unwrap()[0];
        assert_eq!(level, if number % 5 < 3 { 0x80 + 28 } else { 127 });
    }
}

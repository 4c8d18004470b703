//! From how many datagrams on one message that the kernel cuts (`UDP_SEGMENT`) costs less than a message for each: measured once,
//! when the first server of a process starts, because it depends on the kernel and on what it protects itself against.

use std::io;
use std::iter::{once, repeat_n};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsFd as _;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use sfu_transport::Path;

use crate::sys::SendBuffers;

/// Where nothing can be measured (a namespace without loopback): two are enough on all kernels that we have seen.
const USUAL: usize = 2;
/// The counts that are tried.
const COUNTS: [usize; 4] = [2, 3, 4, 8];
/// Of a video packet.
const LEN: usize = 1200;
/// Each count is sent so often in both ways, in turns; the quickest of each counts, which nothing has disturbed. Higher: surer on
/// a busy machine. Lower: a server starts sooner (0.4 ms at 15).
const ROUNDS: usize = 15;

/// From so many datagrams on the kernel is to cut; `usize::MAX`: never.
pub(super) fn fewest_to_cut() -> usize {
    static MEASURED: OnceLock<usize> = OnceLock::new();
    *MEASURED.get_or_init(|| {
        let fewest = measure().unwrap_or_else(|error| {
            log::debug!("what a cut message costs could not be measured: {error}");
            USUAL
        });
        log::debug!("datagrams for one peer leave as one message from {fewest} on");
        fewest
    })
}

/// Sends to a socket on loopback that nobody reads: as soon as its queue is full the kernel drops what comes, whichever way it was sent.
fn measure() -> io::Result<usize> {
    let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let path = Path { local: sender.local_addr()?, remote: receiver.local_addr()? };
    let bytes = [0; LEN * COUNTS[COUNTS.len() - 1]];
    let mut buffers = SendBuffers::default();
    for count in COUNTS {
        let (mut cut, mut apart) = (Duration::MAX, Duration::MAX);
        for _ in 0..ROUNDS {
            let message = (path, Some(LEN as u16), once(&bytes[..count * LEN]));
            cut = cut.min(time(|| buffers.send(sender.as_fd(), once(message)))?);
            let message = (path, None, once(&bytes[..LEN]));
            apart = apart.min(time(|| buffers.send(sender.as_fd(), repeat_n(message, count)))?);
        }
        if cut <= apart {
            return Ok(count);
        }
    }
    Ok(usize::MAX)
}

fn time(send: impl FnOnce() -> io::Result<usize>) -> io::Result<Duration> {
    let began = Instant::now();
    send()?;
    Ok(began.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_of_the_counts_or_never_and_stays_what_it_is() {
        let fewest = fewest_to_cut();
        assert!(COUNTS.contains(&fewest) || fewest == usize::MAX, "{fewest}");
        assert_eq!(fewest_to_cut(), fewest);
    }
}

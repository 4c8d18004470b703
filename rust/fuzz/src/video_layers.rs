//! Video layers allocation: what was read can be said, and writes and reads the same.

use sfu_wire::rtp::VideoLayersAllocation;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(allocation) = VideoLayersAllocation::parse(bytes) else { return };
    let said = VideoLayersAllocation::new(allocation.stream, allocation.streams, allocation.layers());
    assert_eq!(said, Some(allocation));
    let mut buffer = vec![0; bytes.len()];
    let len = allocation.write(&mut buffer).expect("it came from as many bytes");
    assert_eq!(VideoLayersAllocation::parse(&buffer[..len]), Ok(allocation));
}

//! Header extensions: every value parser takes any bytes, and what it read writes back the same.

use sfu_wire::rtp::extension_value::{AbsCaptureTime, AbsSendTime, AudioLevel, TransportSeq, VideoOrientation};
use sfu_wire::rtp::{ExtensionBlock, RtpPacket};
use sfu_wire::{Mid, Rid};

use crate::views::lies_in;

pub(crate) fn run(bytes: &[u8]) {
    values(bytes);
    // The same bytes as the block of a packet, in both forms.
    for profile in [[0xbe, 0xde], [0x10, 0x00]] {
        let Ok(words) = u16::try_from(bytes.len() / 4) else { continue };
        let mut packet = vec![0x90, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        packet.extend(profile);
        packet.extend(words.to_be_bytes());
        packet.extend(&bytes[..usize::from(words) * 4]);
        block(&RtpPacket::parse(&packet).expect("the frame is right").extensions());
    }
}

fn block(extensions: &ExtensionBlock<'_>) {
    let mut total = 0;
    for (id, value) in extensions {
        assert_ne!(id, 0);
        assert!(lies_in(value, extensions.as_bytes()));
        total += value.len() + 1;
        values(value);
    }
    assert!(total <= extensions.as_bytes().len());
}

fn values(value: &[u8]) {
    if let Some(level) = AudioLevel::parse(value) {
        assert_eq!(level.to_bytes()[..], value[..1]);
    }
    if let Some(seq) = TransportSeq::parse(value) {
        assert_eq!(seq.to_bytes()[..], value[..2]);
    }
    if let Some(time) = AbsSendTime::parse(value) {
        assert_eq!(time.to_bytes()[..], value[..3]);
    }
    if let Some(time) = AbsCaptureTime::parse(value) {
        let (bytes, len) = time.to_bytes();
        assert_eq!(bytes[..len], value[..len]);
    }
    if let Some(orientation) = VideoOrientation::parse(value) {
        assert_eq!(orientation.to_bytes()[0], value[0] & 0x0f);
    }
    if let Some(mid) = Mid::from_bytes(value) {
        assert_eq!(mid.as_bytes(), value);
    }
    if let Some(rid) = Rid::from_bytes(value) {
        assert_eq!(rid.as_bytes(), value);
    }
}

//! What the tests of this module share: packets, and both ends of one direction under one key.

#![allow(clippy::unwrap_used)]

use sfu_wire::{SeqNo, Ssrc};

use super::error::SrtpError;
use super::keys::KeySalt;
use super::profile::SrtpProfile;
use super::receiver::SrtpReceiver;
use super::sender::SrtpSender;

/// Bytes from hexadecimal digits.
pub(super) fn hex(text: &str) -> Vec<u8> {
    let nibble = |digit: u8| char::from(digit).to_digit(16).expect("test vectors are hexadecimal") as u8;
    text.as_bytes().chunks(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])).collect()
}

pub(super) fn key(profile: SrtpProfile) -> KeySalt {
    let bytes: Vec<u8> = (1..).take(profile.key_len()).collect();
    KeySalt::new(profile, &bytes, &bytes[1..=profile.salt_len()]).unwrap()
}

/// A clear packet with a plain header.
pub(super) fn rtp(ssrc: u32, seq: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(seq.to_be_bytes());
    packet.extend([1, 2, 3, 4]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend(*b"some payload");
    packet
}

/// A clear receiver report without blocks.
pub(super) fn rtcp(ssrc: u32) -> Vec<u8> {
    [&[0x80, 201, 0, 1][..], &ssrc.to_be_bytes(), b"and more"].concat()
}

/// A sender and a receiver that hold the same key.
pub(super) struct Pair {
    pub(super) sender: SrtpSender,
    pub(super) receiver: SrtpReceiver,
}

impl Pair {
    pub(super) fn new(profile: SrtpProfile) -> Self {
        let key = key(profile);
        Self { sender: SrtpSender::new(profile, &key), receiver: SrtpReceiver::new(profile, &key) }
    }

    /// Seals a plain packet.
    pub(super) fn protect(&mut self, ssrc: u32, index: u64) -> Result<Vec<u8>, SrtpError> {
        let seq = SeqNo::new(index);
        self.protect_packet(&rtp(ssrc, seq.as_u16()), 12, ssrc, index)
    }

    pub(super) fn protect_packet(
        &mut self,
        clear: &[u8],
        header_len: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<Vec<u8>, SrtpError> {
        let mut buf = [clear, &[0xee; 32]].concat();
        let len = self.sender.protect_rtp(&mut buf, clear.len(), header_len, Ssrc::new(ssrc), SeqNo::new(index))?;
        assert!(buf[len..].iter().all(|byte| *byte == 0xee), "nothing is written behind the packet");
        buf.truncate(len);
        Ok(buf)
    }

    pub(super) fn unprotect(&mut self, sealed: &[u8]) -> Result<Vec<u8>, SrtpError> {
        let mut packet = sealed.to_vec();
        let len = self.receiver.unprotect_rtp(&mut packet)?;
        packet.truncate(len);
        Ok(packet)
    }

    pub(super) fn protect_rtcp(&mut self, clear: &[u8]) -> Result<Vec<u8>, SrtpError> {
        let mut buf = [clear, &[0xee; 32]].concat();
        let len = self.sender.protect_rtcp(&mut buf, clear.len())?;
        assert!(buf[len..].iter().all(|byte| *byte == 0xee), "nothing is written behind the packet");
        buf.truncate(len);
        Ok(buf)
    }

    pub(super) fn unprotect_rtcp(&mut self, sealed: &[u8]) -> Result<Vec<u8>, SrtpError> {
        let mut packet = sealed.to_vec();
        let len = self.receiver.unprotect_rtcp(&mut packet)?;
        packet.truncate(len);
        Ok(packet)
    }
}

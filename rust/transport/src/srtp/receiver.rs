//! Opens what arrives: one receiver owns the other direction's key.
//!
//! Invariant: an SSRC has state, and its rollover counter and replay window move, only by authentic packets.

use std::fmt;

use sfu_wire::{SeqNo, Ssrc};

use super::cipher::Cipher;
use super::error::SrtpError;
use super::header::{RtpHeader, parse_rtcp};
use super::index::{estimate_index, first_index};
use super::keys::KeySalt;
use super::profile::SrtpProfile;
use super::replay::{Passage, ReplayWindow};
use super::rtcp_index::{E_BIT, RtcpIndex};
use super::streams::BoundedStreams;

/// SSRCs of one peer that are remembered. Higher: more state for a peer that keeps making new ones. Lower: an SSRC that
/// returns after so many others loses its rollover counter and its protection against replay.
const MAX_STREAMS: usize = 1024;

/// 1024 packets: retransmissions and reordering at video rates stay within it.
type RtpWindow = ReplayWindow<16>;
/// 128 packets, as libsrtp has it: RTCP is sparse.
type RtcpWindow = ReplayWindow<2>;

/// Opens RTP and RTCP in place.
pub struct SrtpReceiver {
    profile: SrtpProfile,
    cipher: Cipher,
    rtp: BoundedStreams<RtpWindow, MAX_STREAMS>,
    rtcp: BoundedStreams<RtcpWindow, MAX_STREAMS>,
}

impl SrtpReceiver {
    /// A receiver of what was sealed with `keys`.
    ///
    /// # Panics
    /// If `keys` were made for another profile.
    pub fn new(profile: SrtpProfile, keys: &KeySalt) -> Self {
        assert_eq!(keys.profile(), profile, "key and salt belong to another profile");
        Self { profile, cipher: Cipher::new(keys), rtp: BoundedStreams::new(), rtcp: BoundedStreams::new() }
    }

    /// The profile.
    pub const fn profile(&self) -> SrtpProfile {
        self.profile
    }

    /// Opens an SRTP packet in place and returns its clear length. After an error the bytes mean nothing.
    ///
    /// # Errors
    /// [`SrtpError::TooShort`], [`SrtpError::Malformed`], [`SrtpError::Authentication`], [`SrtpError::Replayed`],
    /// [`SrtpError::TooOld`].
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let header = RtpHeader::parse(packet, self.profile.rtp_overhead())?;
        let stream = self.rtp.get_mut(header.ssrc);
        let seq = match &stream {
            Some(window) => estimate_index(SeqNo::new(window.highest()), header.seq),
            None => first_index(header.seq),
        };
        check_replay(stream.as_deref(), seq.get())?;
        let len = self.cipher.open_rtp(packet, &header, seq)?;
        match stream {
            Some(window) => window.mark(seq.get()),
            None => self.rtp.insert(header.ssrc, RtpWindow::new(seq.get())),
        }
        Ok(len)
    }

    /// Opens an SRTCP packet in place and returns its clear length. After an error the bytes mean nothing.
    ///
    /// # Errors
    /// As [`Self::unprotect_rtp`], and [`SrtpError::Unencrypted`].
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let ssrc = parse_rtcp(packet, self.profile.rtcp_overhead())?;
        let word = self.cipher.rtcp_word(packet);
        if word & E_BIT == 0 {
            return Err(SrtpError::Unencrypted);
        }
        let index = RtcpIndex::from_word(word);
        let stream = self.rtcp.get_mut(ssrc);
        check_replay(stream.as_deref(), u64::from(index.get()))?;
        let len = self.cipher.open_rtcp(packet, ssrc, index)?;
        match stream {
            Some(window) => window.mark(u64::from(index.get())),
            None => self.rtcp.insert(ssrc, RtcpWindow::new(u64::from(index.get()))),
        }
        Ok(len)
    }

    /// The stream has ended: its state goes, and with it its protection against replay.
    pub fn forget(&mut self, ssrc: Ssrc) {
        self.rtp.remove(ssrc);
        self.rtcp.remove(ssrc);
    }
}

impl fmt::Debug for SrtpReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrtpReceiver")
            .field("profile", &self.profile)
            .field("streams", &self.rtp.len())
            .finish_non_exhaustive()
    }
}

fn check_replay<const WORDS: usize>(stream: Option<&ReplayWindow<WORDS>>, index: u64) -> Result<(), SrtpError> {
    match stream.map_or(Passage::New, |window| window.check(index)) {
        Passage::New => Ok(()),
        Passage::Repeated => Err(SrtpError::Replayed),
        Passage::TooOld => Err(SrtpError::TooOld),
    }
}

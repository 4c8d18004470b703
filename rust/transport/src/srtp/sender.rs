//! Seals what leaves: one sender owns one direction's key.
//!
//! Invariant: no nonce repeats. Every SSRC has a window of sealed indices, and one that has ended stays closed up to its
//! last index for as long as the key lives.

use std::fmt;

use sfu_wire::{SeqNo, Ssrc, prefetch};

use super::cipher::Cipher;
use super::error::SrtpError;
use super::header::{RTP_FIXED_LEN, parse_rtcp};
use super::index::MAX_JUMP;
use super::keys::KeySalt;
use super::profile::SrtpProfile;
use super::replay::{Passage, ReplayWindow};
use super::rtcp_index::RtcpIndex;
use super::streams::StreamMap;

/// Indices are 48 bits wide, and a key may seal no more (RFC 3711 §9.2).
const INDEX_END: u64 = 1 << 48;
/// SSRCs that one key serves, ended ones included. Higher: longer sessions with many short subscriptions. Lower: less
/// memory (an ended stream costs 20 bytes).
const MAX_STREAMS: usize = 1 << 16;

/// The latest 1024 indices, as wide as a receiver's window: what is older would be refused over there.
type SealedWindow = ReplayWindow<16>;

/// Seals RTP and RTCP in place.
pub struct SrtpSender {
    profile: SrtpProfile,
    cipher: Cipher,
    /// Where in `windows` a stream has its own.
    live: StreamMap<usize>,
    windows: Vec<SealedWindow>,
    /// Places in `windows` whose streams have ended.
    free: Vec<usize>,
    /// The stream that sealed last, and its place: the packets of a frame come in a row.
    latest: Option<(Ssrc, usize)>,
    /// Highest sealed index of streams that have ended.
    ended: StreamMap<u64>,
    next_rtcp_index: u32,
}

impl SrtpSender {
    /// A sender that seals with `keys`.
    ///
    /// # Panics
    /// If `keys` were made for another profile.
    pub fn new(profile: SrtpProfile, keys: &KeySalt) -> Self {
        assert_eq!(keys.profile(), profile, "key and salt belong to another profile");
        Self {
            profile,
            cipher: Cipher::new(keys),
            live: StreamMap::default(),
            windows: Vec::new(),
            free: Vec::new(),
            latest: None,
            ended: StreamMap::default(),
            next_rtcp_index: 0,
        }
    }

    /// Asks for its own memory.
    pub fn prefetch(&self) {
        prefetch::line(&self.latest);
        prefetch::line(&self.windows);
        prefetch::line(&self.cipher);
    }

    /// Asks for the memory of the keys, and of the window of the stream that sealed last.
    pub fn prefetch_keys(&self) {
        self.cipher.prefetch();
        if let Some(window) = self.latest.and_then(|(_, place)| self.windows.get(place)) {
            window.prefetch();
        }
    }

    /// The profile.
    pub const fn profile(&self) -> SrtpProfile {
        self.profile
    }

    /// Seals the clear packet `buf[..len]`, whose header has `header_len` bytes with CSRCs and extensions, and returns
    /// its length with the tag, which needs [`SrtpProfile::rtp_overhead`] bytes of room behind. `ssrc` and `seq` are those
    /// of the header; the upper bits of `seq` are the rollover counter.
    ///
    /// # Errors
    /// [`SrtpError::IndexReused`] or [`SrtpError::TooOld`] when the index was or may have been sealed before,
    /// [`SrtpError::RolloverGap`] when the receiver could not follow, [`SrtpError::NoRoom`], [`SrtpError::Malformed`],
    /// [`SrtpError::KeyLimit`].
    pub fn protect_rtp(
        &mut self,
        buf: &mut [u8],
        len: usize,
        header_len: usize,
        ssrc: Ssrc,
        seq: SeqNo,
    ) -> Result<usize, SrtpError> {
        check_room(buf, len, self.profile.rtp_overhead())?;
        check_header(&buf[..len], header_len, ssrc, seq)?;
        self.claim(ssrc, seq)?;
        Ok(self.cipher.seal_rtp(buf, len, header_len, ssrc, seq))
    }

    /// Seals the clear compound `buf[..len]` and returns its length with index and tag, which need
    /// [`SrtpProfile::rtcp_overhead`] bytes of room behind.
    ///
    /// # Errors
    /// [`SrtpError::NoRoom`], [`SrtpError::TooShort`], [`SrtpError::Malformed`], [`SrtpError::KeyLimit`].
    pub fn protect_rtcp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        check_room(buf, len, self.profile.rtcp_overhead())?;
        let ssrc = parse_rtcp(&buf[..len], 0)?;
        let index = RtcpIndex::new(self.next_rtcp_index).ok_or(SrtpError::KeyLimit)?;
        // One count for all SSRCs: an index that no other packet has is unique within each SSRC as well.
        self.next_rtcp_index += 1;
        Ok(self.cipher.seal_rtcp(buf, len, ssrc, index))
    }

    /// The stream has ended. Should its SSRC come back, it goes on above the last index.
    pub fn forget(&mut self, ssrc: Ssrc) {
        if let Some(place) = self.live.remove(&ssrc) {
            self.ended.insert(ssrc, self.windows[place].highest());
            self.free.push(place);
            self.latest = None;
        }
    }

    /// Continues the RTCP count at `index`, to reach its end within a test.
    #[cfg(test)]
    pub(super) fn set_next_rtcp_index(&mut self, index: u32) {
        self.next_rtcp_index = index;
    }

    /// Marks the index as sealed, or says why it cannot be.
    fn claim(&mut self, ssrc: Ssrc, seq: SeqNo) -> Result<(), SrtpError> {
        let index = seq.get();
        if index >= INDEX_END {
            return Err(SrtpError::KeyLimit);
        }
        if let Some((_, place)) = self.latest.filter(|(latest, _)| *latest == ssrc) {
            return claim_within(&mut self.windows[place], index);
        }
        let place = match self.live.get(&ssrc) {
            Some(place) => {
                claim_within(&mut self.windows[*place], index)?;
                *place
            }
            None => self.begin(ssrc, seq)?,
        };
        self.latest = Some((ssrc, place));
        Ok(())
    }

    /// A stream seals its first packet, or its first one since it ended; gives its place.
    fn begin(&mut self, ssrc: Ssrc, seq: SeqNo) -> Result<usize, SrtpError> {
        let window = match self.ended.get(&ssrc) {
            Some(highest) => {
                let mut window = SealedWindow::closed_at(*highest);
                claim_within(&mut window, seq.get())?;
                window
            }
            None if self.live.len() + self.ended.len() >= MAX_STREAMS => return Err(SrtpError::KeyLimit),
            // A receiver takes the first packet of a stream for rollover counter 0.
            None if seq.rollovers() > 0 => return Err(SrtpError::RolloverGap),
            None => SealedWindow::new(seq.get()),
        };
        self.ended.remove(&ssrc);
        let place = self.free.pop().unwrap_or(self.windows.len());
        match self.windows.get_mut(place) {
            Some(free) => *free = window,
            None => self.windows.push(window),
        }
        self.live.insert(ssrc, place);
        Ok(place)
    }
}

impl fmt::Debug for SrtpSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrtpSender")
            .field("profile", &self.profile)
            .field("streams", &self.live.len())
            .finish_non_exhaustive()
    }
}

fn claim_within(window: &mut SealedWindow, index: u64) -> Result<(), SrtpError> {
    match window.check(index) {
        Passage::Repeated => Err(SrtpError::IndexReused),
        Passage::TooOld => Err(SrtpError::TooOld),
        Passage::New if index.saturating_sub(window.highest()) > MAX_JUMP => Err(SrtpError::RolloverGap),
        Passage::New => {
            window.mark(index);
            Ok(())
        }
    }
}

fn check_room(buf: &[u8], len: usize, overhead: usize) -> Result<(), SrtpError> {
    match len.checked_add(overhead) {
        Some(end) if end <= buf.len() => Ok(()),
        _ => Err(SrtpError::NoRoom),
    }
}

/// A header that says something else than the nonce would not open over there.
fn check_header(packet: &[u8], header_len: usize, ssrc: Ssrc, seq: SeqNo) -> Result<(), SrtpError> {
    if packet.len() < header_len || header_len < RTP_FIXED_LEN {
        return Err(SrtpError::TooShort);
    }
    let stated = (packet[0] >> 6, &packet[2..4], &packet[8..RTP_FIXED_LEN]);
    if stated == (2, &seq.as_u16().to_be_bytes(), &ssrc.get().to_be_bytes()) {
        Ok(())
    } else {
        Err(SrtpError::Malformed)
    }
}

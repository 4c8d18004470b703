//! Pre-encoded media: VP8 frames or Opus packets in an IVF container, to be published over and over.
//!
//! IVF is a file header of 32 bytes, then per frame 12 bytes (size, timestamp) and the frame itself; all little-endian.
//! Opus in it is packets of 20 ms under the fourcc `OPUS`.

use std::ops::Range;

use thiserror::Error;

const FILE_HEADER_LEN: usize = 32;
const FRAME_HEADER_LEN: usize = 12;
/// Opus packets of 20 ms.
const OPUS_RATE: u32 = 50;
/// What Opus needs to encode silence at a speech bitrate; speech has more in every packet of our clips.
const SILENT_PACKET: usize = 25;
/// Loudness of speech and of silence (RFC 6464: −dBov).
const SPEECH_LEVEL: u8 = 28;
const SILENCE_LEVEL: u8 = 127;

/// Why bytes are not a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClipError {
    /// Another container.
    #[error("not an IVF file: it starts with \"DKIF\", a version of 0 and a header length of 32")]
    NotIvf,
    /// The fourcc is neither.
    #[error("VP80 or OPUS is wanted")]
    Codec,
    /// Frames a second out of 1 to 120, or an Opus clip whose packets are not of 20 ms.
    #[error("{0} frames a second; 1 to 120 in VP8, 50 in Opus")]
    Rate(u32),
    /// The file ends in the middle.
    #[error("the frame {0} is cut off")]
    CutOff(usize),
    /// Nothing to publish.
    #[error("a clip has frames, and none of them is empty")]
    Empty,
    /// A loop starts anew with what needs nothing before it.
    #[error("the first frame of a VP8 clip is a keyframe")]
    NoKeyframe,
}

/// What a clip is encoded with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClipCodec {
    /// RFC 6386.
    Vp8,
    /// RFC 6716.
    Opus,
}

/// A loop of encoded frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clip {
    codec: ClipCodec,
    frames_per_second: u32,
    bytes: Vec<u8>,
    frames: Vec<Range<usize>>,
}

impl Clip {
    /// Reads an IVF file.
    pub fn parse(ivf: &[u8]) -> Result<Self, ClipError> {
        let (header, _) = ivf.split_at_checked(FILE_HEADER_LEN).ok_or(ClipError::NotIvf)?;
        if header[..8] != *b"DKIF\0\0\x20\0" {
            return Err(ClipError::NotIvf);
        }
        let codec = match &header[8..12] {
            b"VP80" => ClipCodec::Vp8,
            b"OPUS" => ClipCodec::Opus,
            _ => return Err(ClipError::Codec),
        };
        let (rate, scale) = (u32_at(header, 16), u32_at(header, 20));
        let frames_per_second = rate.checked_div(scale).unwrap_or(0);
        let is_possible = match codec {
            ClipCodec::Vp8 => (1..=120).contains(&frames_per_second),
            ClipCodec::Opus => frames_per_second == OPUS_RATE,
        };
        if !is_possible {
            return Err(ClipError::Rate(frames_per_second));
        }
        let frames = frames(ivf)?;
        if frames.is_empty() || frames.iter().any(Range::is_empty) {
            return Err(ClipError::Empty);
        }
        let clip = Self { codec, frames_per_second, bytes: ivf.to_vec(), frames };
        if codec == ClipCodec::Vp8 && !clip.is_keyframe(0) {
            return Err(ClipError::NoKeyframe);
        }
        Ok(clip)
    }

    /// What it is encoded with.
    pub fn codec(&self) -> ClipCodec {
        self.codec
    }

    /// Frames a second.
    pub fn frames_per_second(&self) -> u32 {
        self.frames_per_second
    }

    /// The frame at a place that counts on over the loops.
    pub(crate) fn frame(&self, index: u64) -> &[u8] {
        &self.bytes[self.frames[self.place(index)].clone()]
    }

    /// The lowest bit of a VP8 frame is 0 in keyframes (RFC 6386 §9.1).
    pub(crate) fn is_keyframe(&self, index: u64) -> bool {
        self.frame(index)[0] & 1 == 0
    }

    /// Loudness of an Opus packet, guessed from its length (RFC 6464).
    pub(crate) fn level(&self, index: u64) -> u8 {
        if self.frame(index).len() <= SILENT_PACKET { SILENCE_LEVEL } else { SPEECH_LEVEL }
    }

    fn place(&self, index: u64) -> usize {
        (index % self.frames.len() as u64) as usize
    }
}

fn frames(ivf: &[u8]) -> Result<Vec<Range<usize>>, ClipError> {
    let mut frames = Vec::new();
    let mut at = FILE_HEADER_LEN;
    while at < ivf.len() {
        let cut_off = ClipError::CutOff(frames.len());
        let start = at + FRAME_HEADER_LEN;
        let header = ivf.get(at..start).ok_or(cut_off)?;
        let end = start + u32_at(header, 0) as usize;
        if end > ivf.len() {
            return Err(cut_off);
        }
        frames.push(start..end);
        at = end;
    }
    Ok(frames)
}

/// The caller knows that four bytes are there.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ivf(fourcc: [u8; 4], rate: u32, frames: &[&[u8]]) -> Vec<u8> {
        let mut file = b"DKIF\0\0\x20\0".to_vec();
        file.extend_from_slice(&fourcc);
        file.extend_from_slice(&[0xc0, 3, 0x1c, 2]);
        for number in [rate, 1, frames.len() as u32, 0] {
            file.extend_from_slice(&number.to_le_bytes());
        }
        for (index, frame) in frames.iter().enumerate() {
            file.extend_from_slice(&(frame.len() as u32).to_le_bytes());
            file.extend_from_slice(&(index as u64).to_le_bytes());
            file.extend_from_slice(frame);
        }
        file
    }

    #[test]
    fn frames_come_round_again() {
        let clip = Clip::parse(&ivf(*b"VP80", 15, &[&[0x10, 1], &[0x11, 2, 3]])).unwrap();
        assert_eq!((clip.codec(), clip.frames_per_second()), (ClipCodec::Vp8, 15));
        assert_eq!((clip.frame(0), clip.frame(1), clip.frame(4)), (&[0x10, 1][..], &[0x11, 2, 3][..], &[0x10, 1][..]));
        assert_eq!((clip.is_keyframe(2), clip.is_keyframe(3)), (true, false));
    }

    #[test]
    fn silence_is_told_from_speech() {
        let clip = Clip::parse(&ivf(*b"OPUS", 50, &[&[0x48; 8], &[0x78; 60]])).unwrap();
        assert_eq!((clip.level(0), clip.level(1), clip.level(2)), (127, 28, 127));
    }

    #[test]
    fn what_is_no_clip_is_refused_by_name() {
        let good = ivf(*b"VP80", 15, &[&[0x10, 1]]);
        assert_eq!(Clip::parse(&good[..31]), Err(ClipError::NotIvf));
        assert_eq!(Clip::parse(&[b"RIFF", &good[4..]].concat()), Err(ClipError::NotIvf));
        assert_eq!(Clip::parse(&good[..good.len() - 1]), Err(ClipError::CutOff(0)));
        assert_eq!(Clip::parse(&[&good[..], &[1]].concat()), Err(ClipError::CutOff(1)));
        assert_eq!(Clip::parse(&ivf(*b"VP90", 15, &[&[0x10]])), Err(ClipError::Codec));
        assert_eq!(Clip::parse(&ivf(*b"VP80", 0, &[&[0x10]])), Err(ClipError::Rate(0)));
        assert_eq!(Clip::parse(&ivf(*b"OPUS", 25, &[&[0x10]])), Err(ClipError::Rate(25)));
        assert_eq!(Clip::parse(&ivf(*b"VP80", 15, &[])), Err(ClipError::Empty));
        assert_eq!(Clip::parse(&ivf(*b"VP80", 15, &[&[0x10], &[]])), Err(ClipError::Empty));
        assert_eq!(Clip::parse(&ivf(*b"VP80", 15, &[&[0x11]])), Err(ClipError::NoKeyframe));
    }
}

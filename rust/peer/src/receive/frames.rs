//! VP8 frames as a decoder would need them: whole, in order, each with what it refers to.
//!
//! Facts of packets go in by number and are taken in order; a packet that was given up breaks the picture until the next
//! keyframe.

use std::collections::BTreeMap;
use std::time::Duration;

use sfu_wire::SeqNo;
use sfu_wire::payload::Vp8Descriptor;

use super::layers::LayersShown;
use super::playback::Playback;

/// What a packet says of its frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    /// The packet ends its frame.
    pub(crate) marker: bool,
    /// The RTP timestamp.
    pub(crate) timestamp: u32,
    /// A keyframe starts here.
    pub(crate) keyframe: bool,
    /// Which encoding the publisher sent it as.
    pub(crate) encoding: u8,
    /// The payload descriptor.
    pub(crate) descriptor: Vp8Descriptor,
}

/// What became of the frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FrameStats {
    /// Whole frames that a decoder could show.
    pub decoded: u64,
    /// Keyframes among them.
    pub keyframes: u64,
    /// Whole frames that refer to what never came.
    pub undecodable: u64,
    /// Frames without their first or last packet though no packet is missing: the sender's fault.
    pub torn: u64,
    /// Picture ids, `TL0PICIDX` or timestamps that do not follow one another though no packet is missing.
    pub discontinuities: u64,
    /// Encodings that changed at another place than a keyframe.
    pub bad_switches: u64,
    /// Times the picture broke for a loss.
    pub broken: u64,
    /// Pauses that a viewer notices (W3C webrtc-stats `freezeCount`).
    pub freezes: u64,
    /// The highest spatial layer, or encoding, of the last second's frames, and its highest temporal layer.
    pub layer: Option<(u8, u8)>,
    /// When the first frame was decoded, since the Unix epoch.
    pub first: Option<Duration>,
    /// When the last frame was decoded.
    pub last: Option<Duration>,
}

/// The frames of one stream.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    next: Option<SeqNo>,
    waiting: BTreeMap<SeqNo, Option<Facts>>,
    /// A frame has begun and not ended.
    open: Option<Facts>,
    /// The last frame that began.
    last: Option<Facts>,
    /// A decoder has all that the next frame may refer to.
    intact: bool,
    playback: Playback,
    layers: LayersShown,
    stats: FrameStats,
}

impl Frames {
    /// A packet arrived; `None`: it carries no frame (padding).
    pub(crate) fn insert(&mut self, at: Duration, seq: SeqNo, facts: Option<Facts>) {
        let next = *self.next.get_or_insert(seq);
        if seq == next && self.waiting.is_empty() {
            self.take(at, facts);
            return;
        }
        if seq >= next {
            self.waiting.insert(seq, facts);
            self.drain(at);
        }
    }

    /// A packet is given up.
    pub(crate) fn skip(&mut self, at: Duration, seq: SeqNo) {
        while let (Some(next), Some((&first, _))) = (self.next, self.waiting.first_key_value()) {
            if first > seq || next > seq {
                break;
            }
            self.drain(at);
            if self.next == Some(next) {
                break;
            }
        }
        if self.next == Some(seq) {
            self.break_picture();
            self.next = Some(seq.next());
            self.drain(at);
        }
    }

    /// The stream jumped: what was in between never comes.
    pub(crate) fn jump_to(&mut self, seq: SeqNo) {
        self.break_picture();
        self.waiting.clear();
        self.next = Some(seq);
    }

    /// Whether only a keyframe helps.
    pub(crate) fn is_broken(&self) -> bool {
        !self.intact
    }

    /// The encoding of the last frame.
    pub(crate) fn encoding(&self) -> Option<u8> {
        self.last.map(|facts| facts.encoding)
    }

    /// What became of the frames so far.
    pub(crate) fn stats(&self) -> &FrameStats {
        &self.stats
    }

    fn break_picture(&mut self) {
        if self.intact {
            self.stats.broken += 1;
        }
        self.intact = false;
        self.open = None;
        self.last = None;
    }

    fn drain(&mut self, at: Duration) {
        while let Some(next) = self.next
            && let Some(facts) = self.waiting.remove(&next)
        {
            self.take(at, facts);
        }
    }

    /// The next packet in order.
    fn take(&mut self, at: Duration, facts: Option<Facts>) {
        self.next = self.next.map(SeqNo::next);
        let Some(facts) = facts else { return };
        if facts.descriptor.starts_frame() {
            self.begin(facts);
        } else if self.open.is_none() {
            // In the middle of a frame whose start is gone.
            if self.last.is_some() {
                self.stats.torn += 1;
            }
            return;
        }
        if facts.marker {
            self.end(at);
        }
    }

    fn begin(&mut self, facts: Facts) {
        if self.open.is_some() {
            self.stats.torn += 1;
        }
        if let Some(last) = &self.last {
            if !follows(last, &facts) {
                self.stats.discontinuities += 1;
            }
            if last.encoding != facts.encoding && !facts.keyframe {
                self.stats.bad_switches += 1;
            }
        }
        self.intact |= facts.keyframe;
        self.open = Some(facts);
        self.last = Some(facts);
    }

    fn end(&mut self, at: Duration) {
        let Some(facts) = self.open.take() else { return };
        if !self.intact {
            self.stats.undecodable += 1;
            return;
        }
        self.stats.decoded += 1;
        self.stats.keyframes += u64::from(facts.keyframe);
        self.stats.freezes += u64::from(self.playback.decoded(at, facts.timestamp));
        let temporal = facts.descriptor.temporal.map_or(0, |temporal| temporal.tid);
        self.stats.layer = self.layers.show(at, (facts.encoding, temporal));
        self.stats.first.get_or_insert(at);
        self.stats.last = Some(at);
    }
}

/// RFC 7741 §4.2: picture ids rise by one; `TL0PICIDX` with each frame of layer 0 and with no other; timestamps rise.
fn follows(last: &Facts, next: &Facts) -> bool {
    let pictures = match (last.descriptor.picture_id, next.descriptor.picture_id) {
        (Some(before), Some(after)) => {
            let mask = if after.bits() == 15 { 0x7fff } else { 0x7f };
            after.get() & mask == (before.get() + 1) & mask
        }
        (before, after) => before.is_some() == after.is_some(),
    };
    let layers = match (last.descriptor.tl0_pic_idx, next.descriptor.tl0_pic_idx, next.descriptor.temporal) {
        (Some(before), Some(after), Some(temporal)) => after == before.wrapping_add(u8::from(temporal.tid == 0)),
        _ => true,
    };
    let rises = next.timestamp.wrapping_sub(last.timestamp) as i32 > 0;
    pictures && layers && rises
}

#[cfg(test)]
mod tests {
    use sfu_wire::payload::PictureId;

    use super::*;

    fn facts(picture: u16, start: bool, marker: bool, keyframe: bool) -> Facts {
        let descriptor = Vp8Descriptor {
            non_reference: false,
            starts_partition: start,
            partition: 0,
            picture_id: Some(PictureId::long(picture)),
            tl0_pic_idx: None,
            temporal: None,
            key_idx: None,
        };
        Facts { marker, timestamp: u32::from(picture) * 3000, keyframe, encoding: 0, descriptor }
    }

    fn seq(number: u64) -> SeqNo {
        SeqNo::new(number)
    }

    /// Nothing but frames at this time.
    fn shown(at: Duration) -> FrameStats {
        FrameStats { layer: Some((0, 0)), first: Some(at), last: Some(at), ..FrameStats::default() }
    }

    #[test]
    fn frames_are_counted_in_order_whatever_the_arrival() {
        let (at, mut frames) = (Duration::from_secs(1), Frames::default());
        frames.insert(at, seq(10), Some(facts(1, true, false, true)));
        frames.insert(at, seq(12), Some(facts(2, true, true, false)));
        frames.insert(at, seq(13), None);
        assert_eq!(frames.stats().decoded, 0);
        frames.insert(at, seq(11), Some(facts(1, false, true, false)));
        assert_eq!(*frames.stats(), FrameStats { decoded: 2, keyframes: 1, ..shown(at) });
    }

    #[test]
    fn a_lost_packet_breaks_the_picture_until_a_keyframe() {
        let (at, mut frames) = (Duration::from_secs(1), Frames::default());
        frames.insert(at, seq(1), Some(facts(1, true, true, true)));
        frames.insert(at, seq(3), Some(facts(3, true, true, false)));
        frames.skip(at, seq(2));
        assert!(frames.is_broken());
        frames.insert(at, seq(4), Some(facts(4, true, true, true)));
        let expected = FrameStats { decoded: 2, keyframes: 2, undecodable: 1, broken: 1, ..shown(at) };
        assert_eq!(*frames.stats(), expected);
    }

    #[test]
    fn the_senders_mistakes_are_seen() {
        let (at, mut frames) = (Duration::from_secs(1), Frames::default());
        frames.insert(at, seq(1), Some(facts(1, true, true, true)));
        frames.insert(at, seq(2), Some(facts(3, true, false, false)));
        assert_eq!(frames.stats().discontinuities, 1);
        frames.insert(at, seq(3), Some(facts(4, true, true, false)));
        assert_eq!(frames.stats().torn, 1);
        frames.insert(at, seq(4), Some(Facts { encoding: 2, ..facts(5, true, true, false) }));
        assert_eq!(frames.stats().bad_switches, 1);
    }
}

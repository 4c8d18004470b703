//! Where keyframes of H.264 and H.265 start: their packets do not tell, and parameter sets that were overtaken belong to them.
//!
//! A picture's first slice starts a keyframe only when the packet before it is known to be of another frame. Until that packet
//! has come nobody switches, or the parameter sets would be "before the switch" and lost. A keyframe that is then known to have
//! none is for those who have the stream's; when it never sent any they come by another way (RFC 6184 §8.2.2).

use sfu_wire::SeqNo;

use crate::layer::{Dependencies, KeyframeStart, Packet, Prerequisite, keyframe_start};
use crate::stream::History;

/// What is not known yet of one encoding.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct KeyframeStarts {
    epoch: Option<u16>,
    /// Parameter sets came with a keyframe of this epoch.
    has_sets: bool,
    /// Starts a keyframe if the packet before it, which is missing, is of another frame.
    doubtful: Option<SeqNo>,
}

impl KeyframeStarts {
    /// Corrects what `packet`, which is not in the history yet, says of itself; gives the packet of the history that is now
    /// known to start a keyframe.
    pub(crate) fn settle(&mut self, packet: &mut Packet<'_>, history: &History) -> Option<SeqNo> {
        if self.epoch != Some(packet.epoch) {
            *self = Self { epoch: Some(packet.epoch), ..Self::default() };
        }
        if !matches!(packet.dependencies, Dependencies::None) {
            return None;
        }
        match keyframe_start(packet.codec, packet.payload) {
            Some(KeyframeStart::Certain) => self.has_sets = true,
            Some(KeyframeStart::UnlessPreceded) => {
                let before = SeqNo::new(packet.seq.get().wrapping_sub(1));
                let before = history.get(before).map(|stored| stored.packet(before, Dependencies::None).timestamp);
                if before.is_none() {
                    self.doubtful = Some(packet.seq);
                }
                packet.facts.keyframe = before.is_some_and(|timestamp| timestamp != packet.timestamp);
                packet.facts.prerequisite = self.prerequisite();
            }
            None => {}
        }
        let doubtful = self.doubtful.take_if(|doubtful| *doubtful == packet.seq.next())?;
        let stored = history.get(doubtful)?;
        (stored.packet(doubtful, Dependencies::None).timestamp != packet.timestamp).then_some(doubtful)
    }

    /// Of a keyframe without parameter sets.
    pub(crate) const fn prerequisite(&self) -> Prerequisite {
        if self.has_sets { Prerequisite::ParameterSets } else { Prerequisite::None }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::codec::{CodecName, Kind};
    use crate::layer::{Dependencies, FrameFacts, frame_facts};

    const SPS: &[u8] = &[0x67, 0x42];
    const IDR: &[u8] = &[0x65, 0x88];
    const DELTA: &[u8] = &[0x61, 0x88];

    struct Stream {
        starts: KeyframeStarts,
        history: History,
        now: Instant,
    }

    impl Stream {
        fn new() -> Self {
            Self { starts: KeyframeStarts::default(), history: History::new(Kind::Video), now: Instant::now() }
        }

        /// Whether it starts a keyframe, and which earlier one is now known to.
        fn packet(&mut self, seq: u64, timestamp: u64, payload: &[u8]) -> (bool, Option<u64>) {
            let (facts, known) = self.settle(seq, timestamp, payload);
            (facts.keyframe, known)
        }

        fn settle(&mut self, seq: u64, timestamp: u64, payload: &[u8]) -> (FrameFacts, Option<u64>) {
            let mut packet = Packet {
                encoding: 0,
                epoch: 0,
                seq: SeqNo::new(seq),
                newest: SeqNo::new(seq),
                timestamp,
                marker: false,
                codec: CodecName::H264,
                payload,
                facts: frame_facts(CodecName::H264, payload, false),
                dependencies: Dependencies::None,
                arrival: self.now,
            };
            let known = self.starts.settle(&mut packet, &self.history);
            self.history.push(&packet, std::iter::empty());
            (packet.facts, known.map(SeqNo::get))
        }
    }

    #[test]
    fn a_slice_behind_its_parameter_sets_is_no_start() {
        let mut stream = Stream::new();
        assert_eq!(stream.packet(10, 1, SPS), (true, None));
        assert_eq!(stream.packet(11, 1, IDR), (false, None));
    }

    #[test]
    fn a_slice_without_parameter_sets_is_a_start_for_those_who_have_them() {
        let mut stream = Stream::new();
        stream.packet(9, 1, DELTA);
        let (facts, _) = stream.settle(10, 2, IDR);
        assert!(facts.keyframe && facts.prerequisite == Prerequisite::None, "nobody was ever sent any");
        stream.packet(11, 3, SPS);
        stream.packet(12, 3, IDR);
        stream.packet(13, 4, DELTA);
        let (facts, _) = stream.settle(14, 5, IDR);
        assert!(facts.keyframe && facts.prerequisite == Prerequisite::ParameterSets);
    }

    #[test]
    fn parameter_sets_that_were_overtaken_start_the_keyframe() {
        let mut stream = Stream::new();
        stream.packet(9, 1, DELTA);
        assert_eq!(stream.packet(11, 2, IDR), (false, None));
        assert_eq!(stream.packet(10, 2, SPS), (true, None));
    }

    #[test]
    fn what_was_in_doubt_is_known_when_the_packet_before_it_has_come() {
        let mut stream = Stream::new();
        stream.packet(8, 1, DELTA);
        assert_eq!(stream.packet(10, 2, IDR), (false, None));
        assert_eq!(stream.packet(9, 1, DELTA), (false, Some(10)));
    }

    #[test]
    fn a_stream_that_begins_with_a_slice_may_have_lost_its_parameter_sets() {
        let mut stream = Stream::new();
        assert_eq!(stream.packet(10, 1, IDR), (false, None));
        assert_eq!(stream.packet(9, 1, SPS), (true, None));
    }
}

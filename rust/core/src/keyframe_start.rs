//! Where keyframes of H.264 and H.265 start: their packets do not tell, and parameter sets that were overtaken belong to them.
//!
//! A picture's first slice starts a keyframe only when the packet before it is known to be of another frame. Until that packet
//! has come nobody switches, or the parameter sets would be "before the switch" and lost.

use sfu_wire::SeqNo;

use crate::layer::{Dependencies, KeyframeStart, Packet, keyframe_start};
use crate::stream::History;

/// What is not known yet of one encoding.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct KeyframeStarts {
    epoch: Option<u16>,
    /// Starts a keyframe if the packet before it, which is missing, is of another frame.
    doubtful: Option<SeqNo>,
}

impl KeyframeStarts {
    /// Corrects what `packet`, which is not in the history yet, says of itself; gives the packet of the history that is now
    /// known to start a keyframe.
    pub(crate) fn settle(&mut self, packet: &mut Packet<'_>, history: &History) -> Option<SeqNo> {
        let first_of_epoch = self.epoch.replace(packet.epoch) != Some(packet.epoch);
        if !matches!(packet.dependencies, Dependencies::None) {
            return None;
        }
        if keyframe_start(packet.codec, packet.payload) == Some(KeyframeStart::UnlessPreceded) {
            let before = SeqNo::new(packet.seq.get().wrapping_sub(1));
            match history.get(before).map(|stored| stored.packet(before, Dependencies::None).timestamp) {
                Some(timestamp) => packet.facts.keyframe = timestamp != packet.timestamp,
                None if first_of_epoch => {}
                None => {
                    packet.facts.keyframe = false;
                    self.doubtful = Some(packet.seq);
                }
            }
        }
        let doubtful = self.doubtful.take_if(|doubtful| *doubtful == packet.seq.next())?;
        let stored = history.get(doubtful)?;
        (stored.packet(doubtful, Dependencies::None).timestamp != packet.timestamp).then_some(doubtful)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::codec::{CodecName, Kind};
    use crate::layer::{Dependencies, frame_facts};

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
            (packet.facts.keyframe, known.map(SeqNo::get))
        }
    }

    #[test]
    fn a_slice_behind_its_parameter_sets_is_no_start() {
        let mut stream = Stream::new();
        assert_eq!(stream.packet(10, 1, SPS), (true, None));
        assert_eq!(stream.packet(11, 1, IDR), (false, None));
        stream.packet(12, 2, DELTA);
        assert_eq!(stream.packet(13, 3, IDR), (true, None), "without parameter sets it is");
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
    fn a_stream_that_begins_with_a_slice_begins_with_a_keyframe() {
        assert_eq!(Stream::new().packet(10, 1, IDR), (true, None));
    }
}

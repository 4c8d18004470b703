//! Pieces of an SVC stream's keyframe that overtook its first packet.
//!
//! Whoever waits for that keyframe to get another spatial layer would miss it if they went by the old target: their numbers would
//! be given away. So they, and what follows them, wait a moment for the first packet, in the history, and follow it from there;
//! a simulcast keyframe of another encoding needs none of this. Invariant: what is held has not been judged, and is judged once.

use std::time::{Duration, Instant};

use sfu_wire::SeqNo;

use super::dependency_descriptor::{Dependencies, Dependency};
use super::facts::Descriptor;
use super::packet::Packet;

/// So long a keyframe's first packet may be missing. Higher: the picture stands still for longer when it is lost for good. Lower:
/// its repair (a round trip) comes too late, and the viewer waits for the next keyframe, a second.
const WINDOW: Duration = Duration::from_millis(100);

/// See the module's text.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct EarlyPieces {
    state: State,
}

#[derive(Debug, Clone, Copy, Default)]
enum State {
    #[default]
    None,
    /// Pieces of the picture with this timestamp wait.
    Held { since: Instant, timestamp: u64, first: SeqNo },
    /// They waited in vain.
    GivenUp { timestamp: u64 },
}

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Not now.
    pub(crate) held: bool,
    /// What is to follow from the history, first and last.
    pub(crate) release: Option<(SeqNo, SeqNo)>,
}

impl EarlyPieces {
    /// Whether nothing waits.
    pub(crate) const fn is_empty(&self) -> bool {
        !matches!(self.state, State::Held { .. })
    }

    /// Whether `packet` is of a keyframe's picture and does not start it, when nothing of its picture has come before: by VP9's
    /// bit P, or because all that it refers to is in its own picture.
    pub(crate) fn is_piece(packet: &Packet<'_>) -> bool {
        match (packet.dependencies, packet.facts.descriptor) {
            (Dependencies::Known(dependency), _) => is_piece_of_sequence(dependency),
            (Dependencies::None, Descriptor::Vp9(descriptor)) => !descriptor.inter_picture && !packet.facts.keyframe,
            _ => false,
        }
    }

    /// A packet behind all that was judged: the first is a piece.
    pub(crate) fn take(&mut self, now: Instant, packet: &Packet<'_>) -> Verdict {
        let (held, release) = match self.state {
            // The end of a picture before it.
            State::Held { timestamp, .. } | State::GivenUp { timestamp } if packet.timestamp < timestamp => {
                (false, None)
            }
            State::Held { timestamp, .. } if packet.facts.keyframe && packet.timestamp == timestamp => {
                self.state = State::None;
                (false, (packet.newest > packet.seq).then(|| (packet.seq.next(), packet.newest)))
            }
            State::Held { since, timestamp, first } if now >= since + WINDOW => {
                self.state = State::GivenUp { timestamp };
                (true, Some((first.min(packet.seq), packet.newest)))
            }
            State::Held { since, timestamp, first } => {
                self.state = State::Held { since, timestamp, first: first.min(packet.seq) };
                (true, None)
            }
            State::GivenUp { timestamp } if packet.timestamp == timestamp => (false, None),
            State::None | State::GivenUp { .. } => {
                self.state = State::Held { since: now, timestamp: packet.timestamp, first: packet.seq };
                (true, None)
            }
        };
        Verdict { held, release }
    }
}

/// Its sequence has not begun as far as is known: the structure that it is read by is that of an earlier picture. Independent layers
/// (S2T1 and its like) have a start each, and none waits for another's.
fn is_piece_of_sequence(dependency: &Dependency) -> bool {
    let spatial = dependency.frame.spatial;
    let within = |diff: &u16| *diff <= u16::from(spatial);
    !dependency.starts_sequence
        && dependency.number - dependency.sequence > i64::from(spatial)
        && dependency.frame.frame_diffs.as_slice().iter().all(within)
        && !has_independent_layers(dependency)
}

fn has_independent_layers(dependency: &Dependency) -> bool {
    let mut templates = dependency.targets.structure().templates().iter();
    templates.any(|template| template.spatial > 0 && template.frame_diffs.as_slice().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::CodecName;
    use crate::layer::facts::FrameFacts;

    fn packet(arrival: Instant, seq: u64, timestamp: u64, keyframe: bool) -> Packet<'static> {
        Packet {
            encoding: 0,
            epoch: 0,
            seq: SeqNo::new(seq),
            newest: SeqNo::new(20),
            timestamp,
            marker: false,
            codec: CodecName::Vp9,
            payload: &[0],
            facts: FrameFacts { keyframe, ..FrameFacts::opaque(false) },
            dependencies: Dependencies::None,
            arrival,
        }
    }

    fn numbers(verdict: Verdict) -> (bool, Option<(u64, u64)>) {
        (verdict.held, verdict.release.map(|(first, last)| (first.get(), last.get())))
    }

    #[test]
    fn what_overtook_the_first_packet_follows_it() {
        let now = Instant::now();
        let mut early = EarlyPieces::default();
        assert_eq!(numbers(early.take(now, &packet(now, 12, 5, false))), (true, None));
        assert_eq!(numbers(early.take(now, &packet(now, 14, 6, false))), (true, None), "what is behind it too");
        assert_eq!(numbers(early.take(now, &packet(now, 10, 4, false))), (false, None), "but nothing before it");
        assert_eq!(numbers(early.take(now, &packet(now, 11, 5, true))), (false, Some((12, 20))));
        assert!(early.is_empty());
    }

    #[test]
    fn what_waited_in_vain_goes_by_the_old_target() {
        let now = Instant::now();
        let mut early = EarlyPieces::default();
        early.take(now, &packet(now, 13, 5, false));
        early.take(now, &packet(now, 12, 5, false));
        assert_eq!(numbers(early.take(now + WINDOW, &packet(now, 20, 7, false))), (true, Some((12, 20))));
        assert_eq!(
            numbers(early.take(now + WINDOW, &packet(now, 12, 5, false))),
            (false, None),
            "it does not wait again"
        );
    }
}

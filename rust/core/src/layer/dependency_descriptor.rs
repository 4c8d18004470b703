//! The dependency descriptor (AV1 RTP payload specification 1.0, appendix A), of whatever codec: what a frame refers to and who
//! needs it, so that nothing behind the payload descriptor is looked at and encrypted payloads have layers too.
//!
//! A packet points into the structure that came with the last keyframe; the last few are kept, because packets overtake
//! each other. Invariant: a packet is read against the structure of its own coded video sequence or not at all.

use std::sync::Arc;

use sfu_wire::payload::DependencyDescriptor;
use sfu_wire::payload::dependency_descriptor::{DecodeTargets, Dti, FrameBounds, FrameDependencies};

use super::facts::{FrameFacts, Layer, Prerequisite, SwitchUp};
use super::target::TargetTable;

/// What the descriptor of a packet says.
#[derive(Debug, Clone)]
pub struct Dependency {
    /// The frame number without wraps.
    pub(crate) number: i64,
    /// A coded video sequence starts with this packet: its structure is attached.
    pub(crate) starts_sequence: bool,
    pub(crate) starts_frame: bool,
    pub(crate) ends_frame: bool,
    pub(crate) frame: FrameDependencies,
    /// What can be decoded from here on, as the publisher says.
    pub(crate) active: DecodeTargets,
    /// The number of the first frame of its sequence.
    pub(crate) sequence: i64,
    pub(crate) targets: Arc<TargetTable>,
}

impl Dependency {
    /// Whether its frame can be the first of the best target with nothing above `limit`: it belongs to that and refers to none
    /// before it.
    pub(crate) fn may_begin(&self, limit: Layer) -> bool {
        let target = self.targets.best(limit, self.active).unwrap_or(0);
        let belongs = self.frame.dtis.get(usize::from(target)) != Dti::NotPresent;
        belongs && self.frame.frame_diffs.as_slice().is_empty()
    }
}

/// A packet's descriptor, as far as it can be read.
#[derive(Debug, Clone, Copy, Default)]
pub enum Dependencies<'a> {
    /// It has none.
    #[default]
    None,
    /// The structure that it points into has not come yet.
    Unresolved,
    /// The structure that it points into is long gone.
    Outdated,
    /// Everything is known.
    Known(&'a Dependency),
}

impl<'a> Dependencies<'a> {
    /// What is known.
    pub const fn known(self) -> Option<&'a Dependency> {
        match self {
            Self::Known(dependency) => Some(dependency),
            Self::None | Self::Unresolved | Self::Outdated => None,
        }
    }
}

/// A descriptor that was read.
#[derive(Debug, Clone, Default)]
pub enum Reading {
    /// The packet has none, or a malformed one.
    #[default]
    None,
    /// The structure that it points into has not come yet.
    Unresolved,
    /// The structure that it points into is long gone.
    Outdated,
    /// Everything is known.
    Known(Dependency),
}

impl Reading {
    /// Of its own.
    pub fn of(dependencies: Dependencies<'_>) -> Self {
        match dependencies {
            Dependencies::None => Self::None,
            Dependencies::Unresolved => Self::Unresolved,
            Dependencies::Outdated => Self::Outdated,
            Dependencies::Known(dependency) => Self::Known(dependency.clone()),
        }
    }

    /// For the packet.
    pub const fn as_ref(&self) -> Dependencies<'_> {
        match self {
            Self::None => Dependencies::None,
            Self::Unresolved => Dependencies::Unresolved,
            Self::Outdated => Dependencies::Outdated,
            Self::Known(dependency) => Dependencies::Known(dependency),
        }
    }
}

#[derive(Debug, Clone)]
struct Sequence {
    since: i64,
    targets: Arc<TargetTable>,
    active: DecodeTargets,
    active_since: i64,
}

/// Reads the descriptors of one encoding.
#[derive(Debug, Clone, Default)]
pub struct DependencyReader {
    epoch: u16,
    newest: Option<i64>,
    /// Newest first.
    sequences: [Option<Sequence>; SEQUENCES],
}

/// Keyframes half a second apart, as often as they are asked for, and packets that come two seconds late; in one of them some
/// layers' structures may have come out of order.
const SEQUENCES: usize = 6;

/// Independent layers repeat the structure within a picture, which has no more frames than this: it is one sequence.
const PICTURE: i64 = 4;

impl DependencyReader {
    /// Reads the value of a packet that has just come. `in_order` says that none with a higher sequence number came before.
    pub fn read(&mut self, epoch: u16, in_order: bool, value: &[u8]) -> Reading {
        if epoch != self.epoch {
            *self = Self { epoch, ..Self::default() };
        }
        let Ok(bounds) = FrameBounds::parse(value) else { return Reading::None };
        let number = self.number(bounds, in_order);
        self.newest = Some(self.newest.map_or(number, |newest| newest.max(number)));
        if bounds.has_structure {
            return self.begin(number, value);
        }
        let newest = self.sequences.iter().flatten().next().map(|sequence| sequence.since);
        let Some(sequence) = self.sequences.iter_mut().flatten().find(|sequence| sequence.since <= number) else {
            return unknown(newest.is_some());
        };
        let Ok(parsed) = DependencyDescriptor::parse(value, Some(sequence.targets.structure())) else {
            return unknown(newest != Some(sequence.since));
        };
        if let Some(active) = parsed.descriptor.active_decode_targets
            && number >= sequence.active_since
        {
            (sequence.active, sequence.active_since) = (active, number);
        }
        Reading::Known(sequence.dependency(number, bounds, parsed.frame))
    }

    /// Reads the value of a packet that came before.
    pub fn look_up(&self, value: &[u8]) -> Reading {
        let Ok(bounds) = FrameBounds::parse(value) else { return Reading::None };
        let number = self.number(bounds, false);
        let Some(sequence) = self.sequence(number) else { return Reading::Outdated };
        match DependencyDescriptor::parse(value, Some(sequence.targets.structure())) {
            Ok(parsed) => Reading::Known(sequence.dependency(number, bounds, parsed.frame)),
            Err(_) => Reading::Unresolved,
        }
    }

    /// The structure that packets point into now.
    pub fn structure(&self) -> Option<&sfu_wire::payload::dependency_descriptor::Structure> {
        self.sequences.iter().flatten().next().map(|sequence| sequence.targets.structure())
    }

    fn begin(&mut self, number: i64, value: &[u8]) -> Reading {
        let (Ok(parsed), Ok(bounds)) = (DependencyDescriptor::parse(value, None), FrameBounds::parse(value)) else {
            return Reading::None;
        };
        let Some(structure) = parsed.structure else { return Reading::None };
        let active = parsed.descriptor.declared_decode_targets(&structure).unwrap_or(structure.all_decode_targets());
        let known = self.sequences.iter_mut().flatten().find(|sequence| sequence.since <= number);
        let same = known.filter(|known| *known.targets.structure() == *structure);
        let targets = match same {
            Some(known) if number < known.since + PICTURE => {
                if number >= known.active_since {
                    (known.active, known.active_since) = (active, number);
                }
                return Reading::Known(known.dependency(number, bounds, parsed.frame));
            }
            Some(known) => known.targets.clone(),
            None => Arc::new(TargetTable::new(*structure)),
        };
        let begun = Sequence { since: number, targets, active, active_since: number };
        let dependency = begun.dependency(number, bounds, parsed.frame);
        let place = self.sequences.iter().position(|known| known.as_ref().is_none_or(|known| known.since <= number));
        if let Some(place) = place
            && self.sequences[place].as_ref().is_none_or(|known| known.since < number)
        {
            self.sequences[place..].rotate_right(1);
            self.sequences[place] = Some(begun);
        }
        Reading::Known(dependency)
    }

    /// The nearest to what came; but a sequence that begins in order goes on, wherever the publisher counts from.
    fn number(&self, bounds: FrameBounds, in_order: bool) -> i64 {
        let Some(newest) = self.newest else { return i64::from(bounds.frame_number) };
        let ahead = bounds.frame_number.wrapping_sub(newest as u16);
        if bounds.has_structure && in_order { newest + i64::from(ahead) } else { newest + i64::from(ahead as i16) }
    }

    fn sequence(&self, number: i64) -> Option<&Sequence> {
        self.sequences.iter().flatten().find(|sequence| sequence.since <= number)
    }
}

const fn unknown(outdated: bool) -> Reading {
    if outdated { Reading::Outdated } else { Reading::Unresolved }
}

impl Sequence {
    fn dependency(&self, number: i64, bounds: FrameBounds, frame: FrameDependencies) -> Dependency {
        Dependency {
            number,
            starts_sequence: bounds.has_structure && bounds.start_of_frame,
            starts_frame: bounds.start_of_frame,
            ends_frame: bounds.end_of_frame,
            frame,
            active: self.active,
            sequence: self.since,
            targets: self.targets.clone(),
        }
    }
}

/// What the descriptor says in place of the payload; what is to be rewritten stays as it was read from the payload descriptor.
pub(super) fn facts(dependency: &Dependency, payload: FrameFacts) -> FrameFacts {
    FrameFacts {
        keyframe: dependency.starts_sequence,
        starts_frame: dependency.starts_frame,
        ends_frame: dependency.ends_frame,
        spatial: dependency.frame.spatial,
        temporal: dependency.frame.temporal,
        switch_up: SwitchUp::No,
        prerequisite: Prerequisite::None,
        descriptor: payload.descriptor,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::CodecName;
    use crate::layer::packet_facts;
    use crate::layer::target::tests::{l1t2, l2t2, value};

    fn known(reading: Reading) -> Dependency {
        match reading {
            Reading::Known(dependency) => dependency,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn packets_that_overtook_their_structure_are_read_when_it_has_come() {
        let structure = l1t2(0);
        let mut reader = DependencyReader::default();
        let second = value(&structure, 1, 2, false);
        assert!(matches!(reader.read(0, true, &second), Reading::Unresolved));
        let first = known(reader.read(0, false, &value(&structure, 0, 1, true)));
        assert!(first.starts_sequence && first.sequence == 1);
        assert_eq!(known(reader.look_up(&second)).frame.temporal, structure.templates()[1].temporal);
    }

    #[test]
    fn each_packet_is_read_against_the_structure_of_its_own_sequence() {
        let (old, new) = (l1t2(0), l1t2(10));
        let mut reader = DependencyReader::default();
        reader.read(0, true, &value(&old, 0, 100, true));
        reader.read(0, true, &value(&new, 10, 110, true));
        let late = known(reader.read(0, false, &value(&old, 2, 105, false)));
        assert_eq!((late.sequence, late.frame.temporal), (100, 1));
        assert_eq!(known(reader.read(0, true, &value(&new, 12, 111, false))).sequence, 110);
    }

    #[test]
    fn a_structure_repeated_within_a_picture_begins_no_sequence() {
        let structure = l1t2(0);
        let mut reader = DependencyReader::default();
        let mut read = |number| known(reader.read(0, true, &value(&structure, 0, number, true)));
        assert_eq!([1, 2, 3, 9].map(|number| read(number).sequence), [1, 1, 1, 9]);
    }

    #[test]
    fn frame_numbers_go_on_over_their_wrap_and_over_a_new_beginning() {
        let structure = l1t2(0);
        let mut reader = DependencyReader::default();
        assert_eq!(known(reader.read(0, true, &value(&structure, 0, 65_535, true))).number, 65_535);
        assert_eq!(known(reader.read(0, true, &value(&structure, 2, 1, false))).number, 65_537);
        let again = known(reader.read(0, true, &value(&structure, 0, 60_000, true)));
        assert_eq!(again.number, 65_536 + 60_000, "a keyframe in order is never behind");
        let restarted = known(reader.read(1, true, &value(&structure, 0, 7, true)));
        assert_eq!(restarted.number, 7);
    }

    #[test]
    fn what_is_declared_active_holds_from_its_frame_on() {
        let structure = l1t2(0);
        let mut reader = DependencyReader::default();
        assert_eq!(known(reader.read(0, true, &value(&structure, 0, 1, true))).active.bits(), 0b11);
        let declared = DependencyDescriptor {
            start_of_frame: true,
            template_id: 1,
            frame_number: 3,
            active_decode_targets: Some(DecodeTargets::from_bits(0b01)),
            ..DependencyDescriptor::default()
        };
        let mut buffer = [0; 32];
        let len = declared.write(&structure, &mut buffer).unwrap();
        assert_eq!(known(reader.read(0, true, &buffer[..len])).active.bits(), 0b01);
        assert_eq!(known(reader.read(0, true, &value(&structure, 1, 5, false))).active.bits(), 0b01);
    }

    #[test]
    fn a_run_may_begin_with_small_pictures_when_the_publisher_stopped_the_large_ones() {
        let (structure, mut reader) = (l2t2(), DependencyReader::default());
        let small = Dependency {
            frame: FrameDependencies::new(0, 0, "--SS", &[], &[0, 0]).unwrap(),
            ..known(reader.read(0, true, &value(&structure, 0, 1, true)))
        };
        assert!(!small.may_begin(Layer::MAX), "the frame is of no large picture");
        assert!(Dependency { active: DecodeTargets::from_bits(0b1100), ..small }.may_begin(Layer::MAX));
    }

    #[test]
    fn a_payload_behind_it_is_believed_in_nothing() {
        // It may be encrypted, and looks like the parameter set that starts a keyframe.
        let starts_keyframe =
            |reading: &Reading| packet_facts(CodecName::H264, &[0x67, 0x42], true, reading.as_ref()).keyframe;
        let (structure, mut reader) = (l1t2(0), DependencyReader::default());
        assert!(starts_keyframe(&Reading::None));
        assert!(!starts_keyframe(&Reading::Unresolved) && !starts_keyframe(&Reading::Outdated));
        assert!(starts_keyframe(&reader.read(0, true, &value(&structure, 0, 1, true))));
        assert!(!starts_keyframe(&reader.read(0, true, &value(&structure, 1, 2, false))));
    }

    #[test]
    fn malformed_values_are_none() {
        let mut reader = DependencyReader::default();
        assert!(matches!(reader.read(0, true, &[0x80]), Reading::None));
        assert!(matches!(reader.read(0, true, &[0x80, 0, 1, 0x80, 0xff]), Reading::None));
    }
}

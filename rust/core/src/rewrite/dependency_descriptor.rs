//! The dependency descriptor of one subscriber (AV1 RTP payload specification 1.0, appendix A): frame numbers go on by one at a
//! switch, the templates of another encoding's structure get ids that the one before does not use, and the decode targets that
//! can be had are declared.
//!
//! What changes is a few bytes, kept in the [`Patch`](super::Patch); it is applied to the value as it came, bit by bit and
//! without its structure. Frames that are left out keep their numbers: references count in them.

use sfu_wire::payload::dependency_descriptor::DecodeTargets;
use sfu_wire::payload::{BitWriter, DependencyDescriptor};

use crate::layer::Dependency;

/// What a descriptor's fields become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct DependencyPatch {
    number_shift: u16,
    template_shift: u8,
    /// How many decode targets `active` tells of; 0: what came is kept.
    target_count: u8,
    active: DecodeTargets,
}

/// See the module's text.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DependencyRewriter {
    newest_sent: Option<u16>,
    /// The id behind the last template of the last structure that was sent.
    next_template: u8,
    sequence: Option<i64>,
    number_shift: u16,
    template_shift: u8,
}

const TEMPLATE_IDS: u8 = 64;

impl DependencyRewriter {
    /// Begins a run with the sequence that `dependency` starts.
    pub(crate) fn switch(&mut self, dependency: &Dependency) {
        let structure = dependency.targets.structure();
        (self.number_shift, self.template_shift) = self.newest_sent.map_or((0, 0), |sent| {
            let number_shift = sent.wrapping_add(1).wrapping_sub(dependency.number as u16);
            (number_shift, self.next_template.wrapping_sub(structure.template_id_offset()) % TEMPLATE_IDS)
        });
        self.sequence = None;
        self.follow(dependency);
    }

    /// What the descriptor of a packet becomes.
    pub(crate) fn rewrite(&mut self, dependency: &Dependency, active: Option<DecodeTargets>) -> DependencyPatch {
        self.follow(dependency);
        let number = (dependency.number as u16).wrapping_add(self.number_shift);
        if self.newest_sent.is_none_or(|sent| number.wrapping_sub(sent) as i16 > 0) {
            self.newest_sent = Some(number);
        }
        let target_count = match active {
            Some(_) => dependency.targets.structure().decode_targets().len() as u8,
            None => 0,
        };
        let (number_shift, template_shift) = (self.number_shift, self.template_shift);
        DependencyPatch { number_shift, template_shift, target_count, active: active.unwrap_or_default() }
    }

    fn follow(&mut self, dependency: &Dependency) {
        if self.sequence.is_none_or(|sequence| sequence < dependency.sequence) {
            self.sequence = Some(dependency.sequence);
            let structure = dependency.targets.structure();
            let end = structure.template_id_offset() as usize + structure.templates().len();
            self.next_template = (end + usize::from(self.template_shift)) as u8 % TEMPLATE_IDS;
        }
    }
}

impl DependencyPatch {
    /// Changes nothing.
    pub(crate) const NONE: Self =
        Self { number_shift: 0, template_shift: 0, target_count: 0, active: DecodeTargets::NONE };

    /// Whether the value stays as it came.
    pub(crate) fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// Writes `value` as it leaves; gives its length. What is too short to be a descriptor, or too long to grow, leaves as it came.
    pub(crate) fn apply(self, value: &[u8], buffer: &mut [u8; MAX_LEN]) -> usize {
        let len = value.len().min(MAX_LEN);
        buffer[..len].copy_from_slice(&value[..len]);
        let [first, high, low, optional @ ..] = &mut buffer[..len] else { return len };
        let template = (*first & 0x3f).wrapping_add(self.template_shift) % TEMPLATE_IDS;
        *first = *first & 0xc0 | template;
        let number = u16::from_be_bytes([*high, *low]).wrapping_add(self.number_shift);
        [*high, *low] = number.to_be_bytes();
        let flags = optional.first().copied().unwrap_or(0);
        if flags & HAS_STRUCTURE != 0 {
            // The packets behind declare the targets: a structure's end is found only by reading all of it.
            shift_template_offset(optional, self.template_shift);
            return len;
        }
        if self.target_count == 0 || len + MASK_ROOM > MAX_LEN {
            return len;
        }
        let rest = value.get(MANDATORY..).unwrap_or_default();
        let written = declare(rest, self.target_count.into(), self.active, &mut buffer[MANDATORY..]);
        MANDATORY + written.expect("there is room for the mask")
    }
}

pub(crate) const MAX_LEN: usize = DependencyDescriptor::MAX_LEN;
const MANDATORY: usize = 3;
/// Flags and 32 targets.
const MASK_ROOM: usize = 5;
const HAS_STRUCTURE: u8 = 0x80;
const HAS_ACTIVE: u8 = 0x40;
/// Indications, frame diffs or chain diffs of the frame's own.
const HAS_CUSTOM: u8 = 0x38;
const FLAGS: u32 = 5;

/// `template_id_offset`: the six bits behind the five flags.
fn shift_template_offset(optional: &mut [u8], shift: u8) {
    if let [flags, next, ..] = optional {
        let offset = ((*flags & 0x07) << 3 | *next >> 5).wrapping_add(shift) % TEMPLATE_IDS;
        *flags = *flags & 0xf8 | offset >> 3;
        *next = *next & 0x1f | offset << 5;
    }
}

/// Writes the optional part with `active` declared, in place of what it declares; gives its length.
fn declare(optional: &[u8], target_count: u32, active: DecodeTargets, buffer: &mut [u8]) -> Option<usize> {
    let flags = optional.first().copied().unwrap_or(0);
    let standing = if flags & HAS_ACTIVE != 0 { target_count } else { 0 };
    let mut writer = BitWriter::new(buffer);
    writer.bits(FLAGS, u32::from((flags | HAS_ACTIVE) >> 3))?;
    writer.bits(target_count, active.bits())?;
    // Without custom parts what follows is padding.
    let custom = FLAGS + standing;
    if flags & HAS_CUSTOM != 0
        && let Some((first, rest)) = optional.get(custom as usize / 8..).and_then(<[u8]>::split_first)
    {
        writer.bits(8 - custom % 8, u32::from(*first))?;
        rest.iter().try_for_each(|byte| writer.bits(8, u32::from(*byte)))?;
    }
    Some(writer.len())
}

#[cfg(test)]
mod tests {
    use sfu_wire::payload::dependency_descriptor::{Dtis, FrameDiffs, Structure};

    use super::*;
    use crate::layer::target::tests::{l1t2, l2t2, value};
    use crate::layer::{DependencyReader, Reading};

    fn read(value: &[u8], structure: &Structure) -> DependencyDescriptor {
        DependencyDescriptor::parse(value, Some(structure)).unwrap().descriptor
    }

    fn known(value: &[u8], reader: &mut DependencyReader) -> Dependency {
        match reader.read(0, true, value) {
            Reading::Known(dependency) => dependency,
            other => panic!("{other:?}"),
        }
    }

    fn applied(patch: DependencyPatch, value: &[u8]) -> Vec<u8> {
        let mut buffer = [0xa5; MAX_LEN];
        let len = patch.apply(value, &mut buffer);
        buffer[..len].to_vec()
    }

    #[test]
    fn another_encoding_goes_on_by_one_frame_and_with_other_template_ids() {
        let (low, high) = (l1t2(0), l2t2());
        let mut rewriter = DependencyRewriter::default();
        let mut reader = DependencyReader::default();
        let first = value(&low, 0, 500, true);
        let dependency = known(&first, &mut reader);
        rewriter.switch(&dependency);
        assert_eq!(applied(rewriter.rewrite(&dependency, None), &first), first, "the first run keeps its numbers");
        let mut reader = DependencyReader::default();
        let key = value(&high, 0, 65_535, true);
        let dependency = known(&key, &mut reader);
        rewriter.switch(&dependency);
        let out = applied(rewriter.rewrite(&dependency, None), &key);
        let parsed = DependencyDescriptor::parse(&out, None).unwrap();
        assert_eq!((parsed.descriptor.frame_number, parsed.descriptor.template_id), (501, 3));
        let structure = parsed.structure.unwrap();
        assert_eq!(structure.template_id_offset(), 3);
        assert_eq!(structure.templates(), high.templates());
        let next = value(&high, 2, 2, false);
        let dependency = known(&next, &mut reader);
        let out = read(&applied(rewriter.rewrite(&dependency, None), &next), &structure);
        assert_eq!((out.frame_number, out.template_id), (504, 5), "three frames later");
    }

    #[test]
    fn the_targets_are_declared_in_packets_without_optional_part() {
        let structure = l2t2();
        let active = DecodeTargets::from_bits(0b1010);
        let patch = DependencyPatch { target_count: 4, active, ..DependencyPatch::default() };
        let out = read(&applied(patch, &value(&structure, 1, 9, false)), &structure);
        assert_eq!(out.active_decode_targets, Some(active));
        assert_eq!((out.template_id, out.frame_number, out.custom_dtis), (1, 9, None));
    }

    #[test]
    fn custom_parts_stay_behind_what_is_declared() {
        let structure = l2t2();
        for declared in [None, Some(DecodeTargets::from_bits(0b1111))] {
            let came = DependencyDescriptor {
                start_of_frame: true,
                template_id: 4,
                frame_number: 77,
                active_decode_targets: declared,
                custom_dtis: Dtis::from_symbols("SR-D"),
                custom_frame_diffs: FrameDiffs::new(&[3, 300]),
                custom_chain_diffs: None,
                ..DependencyDescriptor::default()
            };
            let mut buffer = [0; 64];
            let len = came.write(&structure, &mut buffer).unwrap();
            let active = DecodeTargets::from_bits(0b0011);
            let patch = DependencyPatch { target_count: 4, active, ..DependencyPatch::default() };
            let expected = DependencyDescriptor { active_decode_targets: Some(active), ..came };
            assert_eq!(read(&applied(patch, &buffer[..len]), &structure), expected);
        }
    }

    #[test]
    fn values_that_are_no_descriptors_leave_as_they_came() {
        let patch =
            DependencyPatch { number_shift: 5, template_shift: 1, target_count: 2, ..DependencyPatch::default() };
        assert_eq!(applied(patch, &[]), []);
        assert_eq!(applied(patch, &[0x80, 0x01]), [0x80, 0x01]);
        let long = vec![0; 300];
        assert_eq!(applied(patch, &long).len(), MAX_LEN);
    }
}

//! Which frames of a stream with temporal layers a subscriber may have: a pure function of what it already has.
//!
//! Invariant: a frame is admitted only if every frame that it may depend on was admitted, as far as the descriptor tells.

use super::facts::{Descriptor, FrameFacts, SwitchUp};

/// The temporal layers that a subscriber has had without a hole since they were joined: bit n for layer n.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Joined(u8);

impl Default for Joined {
    fn default() -> Self {
        Self(1)
    }
}

/// What became of the pictures that a frame lists as its references.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum References {
    /// One was left out.
    Broken,
    /// One has not come.
    Missing,
    /// All went out.
    Sent,
}

impl References {
    /// Whether the frame goes out. What has not come may be of a layer that was not joined; then it will be left out.
    const fn allow(self, joined: bool) -> bool {
        match self {
            Self::Broken => false,
            Self::Missing => joined,
            Self::Sent => true,
        }
    }
}

impl Joined {
    /// Whether a new frame goes out when nothing above layer `target` is wanted, and what the subscriber has after it.
    ///
    /// Down is at the next frame. Up is at a keyframe or a switch point: VP8's Y says that the frame depends on layer 0 only
    /// (RFC 7741 §4.2), VP9's U, as encoders set it, that it depends on lower layers only. `references` says what became
    /// of all that the frame refers to, where the descriptor lists it.
    pub(crate) fn admit(self, target: u8, facts: &FrameFacts, references: Option<References>) -> (bool, Self) {
        let wanted = up_to(target);
        let standing = Self(self.0 & wanted | 1);
        if facts.keyframe {
            return (true, Self(wanted));
        }
        let layer = 1_u8.checked_shl(u32::from(facts.temporal)).unwrap_or(0);
        if layer & wanted == 0 {
            return (false, standing);
        }
        if let Some(references) = references {
            let went = references.allow(standing.0 & layer != 0 && standing.has_below(facts.temporal));
            return (went, Self(standing.0 | if went { layer } else { 0 }));
        }
        let joins = may_join(standing, facts);
        let joined = match facts.switch_up {
            SwitchUp::ThisAndAbove => wanted & !layer.wrapping_sub(1),
            SwitchUp::This | SwitchUp::No => layer,
        };
        let after = Self(standing.0 | if joins { joined } else { 0 });
        let decodable = joins || (after.0 & layer != 0 && after.has_below(facts.temporal));
        (decodable, after)
    }

    /// Whether a frame that comes later than it should goes out, when the subscriber had this at its time. Its number was kept
    /// for it, so it goes out also when nobody wants its layer, as long as it can be decoded: otherwise the number is a gap.
    pub(crate) fn admits_late(self, facts: &FrameFacts, references: Option<References>) -> bool {
        let has_layer = self.has_below(facts.temporal) && self.0 >> facts.temporal.min(7) & 1 == 1;
        let guess = || has_layer || may_join(self, facts);
        facts.keyframe || references.map_or_else(guess, |references| references.allow(has_layer))
    }

    /// The highest layer without a hole below it.
    pub(crate) const fn top(self) -> u8 {
        (self.0.trailing_ones() as u8).saturating_sub(1)
    }

    const fn has_below(self, layer: u8) -> bool {
        self.0.trailing_ones() >= layer as u32
    }
}

const fn up_to(layer: u8) -> u8 {
    if layer >= 7 { u8::MAX } else { (1 << (layer + 1)) - 1 }
}

fn may_join(joined: Joined, facts: &FrameFacts) -> bool {
    facts.switch_up != SwitchUp::No && (joined.has_below(facts.temporal) || depends_on_base_only(facts))
}

const fn depends_on_base_only(facts: &FrameFacts) -> bool {
    matches!(facts.descriptor, Descriptor::Vp8(_))
}

#[cfg(test)]
mod tests {
    use sfu_wire::payload::Vp8Descriptor;

    use super::*;

    fn vp9(temporal: u8, switch_up: bool) -> FrameFacts {
        let switch_up = if switch_up { SwitchUp::This } else { SwitchUp::No };
        FrameFacts { temporal, switch_up, ..FrameFacts::opaque(true) }
    }

    fn vp8(temporal: u8, sync: bool) -> FrameFacts {
        let descriptor = Descriptor::Vp8(Vp8Descriptor::default());
        FrameFacts { descriptor, ..vp9(temporal, sync) }
    }

    #[test]
    fn a_keyframe_joins_every_wanted_layer() {
        let (admitted, after) = Joined::default().admit(2, &FrameFacts { keyframe: true, ..vp9(0, false) }, None);
        assert!(admitted);
        assert_eq!(after.top(), 2);
        assert!(after.admit(2, &vp9(2, false), None).0);
    }

    #[test]
    fn going_down_takes_the_next_frame_and_forgets_the_layers_above() {
        let all = Joined(0b111);
        let (admitted, after) = all.admit(0, &vp9(2, false), None);
        assert!(!admitted);
        assert!(!after.admit(2, &vp9(1, false), None).0, "what was missed cannot be referred to");
        assert!(after.admit(2, &vp9(0, false), None).0);
    }

    #[test]
    fn going_up_waits_for_a_switch_point() {
        let base = Joined::default();
        assert!(!base.admit(2, &vp8(1, false), None).0);
        let (admitted, after) = base.admit(2, &vp8(1, true), None);
        assert!(admitted);
        assert!(after.admit(2, &vp8(1, false), None).0, "the layer is joined from then on");
    }

    #[test]
    fn a_vp8_sync_frame_of_layer_2_does_not_make_layer_1_decodable() {
        let (admitted, after) = Joined::default().admit(2, &vp8(2, true), None);
        assert!(admitted, "it depends on layer 0 only");
        assert!(!after.admit(2, &vp8(1, false), None).0);
        assert!(!after.admit(2, &vp8(2, false), None).0, "it may depend on the layer-1 frame that was dropped");
        assert_eq!(after.top(), 0);
        let (_, after) = after.admit(2, &vp8(1, true), None);
        assert_eq!(after.top(), 2);
    }

    #[test]
    fn a_vp9_switch_point_of_layer_2_needs_layer_1() {
        let base = Joined::default();
        assert!(!base.admit(2, &vp9(2, true), None).0);
        let (_, after) = base.admit(2, &vp9(1, true), None);
        assert!(!after.admit(2, &vp9(2, false), None).0);
        assert!(after.admit(2, &vp9(2, true), None).0);
    }

    /// Temporal layer, U and references of each picture of a group, as distances.
    type Group = &'static [(u8, bool, &'static [usize])];

    /// The groups of libwebrtc's non-flexible mode (`GofInfoVP9`): L1T2, L1T3 as it is, and L1T3 as it was before.
    const GROUPS: [Group; 3] = [
        &[(0, false, &[2]), (1, true, &[1])],
        &[(0, false, &[4]), (2, true, &[1]), (1, true, &[2]), (2, true, &[1])],
        &[(0, false, &[4]), (2, true, &[1]), (1, true, &[2]), (2, false, &[1, 2])],
    ];

    #[test]
    fn by_u_alone_what_goes_out_has_its_references_and_what_has_them_waits_for_layer_1_at_most() {
        for group in GROUPS {
            let (mut joined, mut sent, mut targets) = (Joined::default(), Vec::new(), Vec::new());
            let mut random = 1_u32;
            for picture in 0..20_000 {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let before = targets.last().copied().unwrap_or(2);
                let target = if random >> 24 < 60 { (random >> 16) as u8 % 3 } else { before };
                targets.push(target);
                let (temporal, switch_up, references) = group[picture % group.len()];
                let facts = FrameFacts { keyframe: picture == 0, ..vp9(temporal, switch_up) };
                let (admitted, after) = joined.admit(target, &facts, None);
                let decodable = picture == 0 || references.iter().all(|back| sent[picture - back]);
                assert!(decodable || !admitted, "picture {picture} of {group:?}");
                if decodable && temporal <= target && !admitted {
                    let last_of = |layer| (0..picture).rev().find(|last| group[last % group.len()].0 == layer);
                    let has_left = |layer| {
                        let stays = |last: usize| sent[last] && targets[last..].iter().all(|target| *target >= layer);
                        !last_of(layer).is_some_and(stays)
                    };
                    let waits = (temporal == 2 && has_left(1)) || (!switch_up && has_left(temporal));
                    assert!(waits, "picture {picture} of {group:?}");
                }
                sent.push(admitted);
                joined = after;
            }
            let count = sent.iter().filter(|sent| **sent).count();
            assert!((6_000..20_000).contains(&count), "{count} pictures");
        }
    }

    #[test]
    fn what_refers_to_what_is_missing_goes_out_in_a_layer_that_was_joined() {
        let base = Joined::default();
        assert!(!base.admit(2, &vp9(2, true), Some(References::Missing)).0);
        assert!(base.admit(2, &vp9(2, false), Some(References::Sent)).0, "nothing has to be guessed");
        assert!(Joined(0b111).admit(2, &vp9(2, false), Some(References::Missing)).0);
        assert!(!Joined(0b111).admit(2, &vp9(2, true), Some(References::Broken)).0);
    }

    #[test]
    fn an_access_picture_of_h265_opens_the_layers_above_too() {
        let access = |switch_up| FrameFacts { switch_up, ..vp9(1, false) };
        let (_, after) = Joined::default().admit(2, &access(SwitchUp::ThisAndAbove), None);
        assert!(after.admit(2, &vp9(2, false), None).0);
        let (_, after) = Joined::default().admit(2, &access(SwitchUp::This), None);
        assert!(!after.admit(2, &vp9(2, false), None).0, "step by step");
        assert!(after.admit(2, &FrameFacts { switch_up: SwitchUp::This, ..vp9(2, false) }, None).0);
    }

    #[test]
    fn impossible_layers_are_dropped_without_a_panic() {
        assert!(!Joined::default().admit(2, &vp9(255, true), None).0);
        assert!(!Joined::default().admits_late(&vp9(255, true), None));
        assert!(Joined::default().admit(255, &vp9(0, false), None).0);
    }
}

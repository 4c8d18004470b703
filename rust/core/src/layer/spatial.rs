//! Which spatial layers of an SVC picture go out, for VP9 by its payload descriptor (RFC 9628 §4.2).
//!
//! In full SVC every picture's upper layers lean on the lower ones of the same picture. In K-SVC only those of keyframes do, so
//! who watches an upper layer needs the lower ones of keyframes alone, and moving between layers needs a keyframe both ways.
//! Which of the two a stream is shows in its inter pictures (bits P and D) and is learnt from them. Invariant: until it is
//! known, nothing is left out that could be needed.

use std::ops::RangeInclusive;

use sfu_wire::payload::Vp9Descriptor;

use super::facts::{Descriptor, FrameFacts};

/// In which pictures upper layers refer to lower ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum InterLayer {
    #[default]
    Unknown,
    /// Full SVC.
    EveryPicture,
    /// K-SVC.
    KeyPictures,
    /// The layers are independent streams in one (S2T1 and its like).
    Never,
}

impl InterLayer {
    /// After a packet.
    pub(crate) fn learn(self, facts: &FrameFacts) -> Self {
        if facts.keyframe {
            // A keyframe may begin another mode; only the saving one is worth keeping until the first inter picture.
            return if self == Self::EveryPicture { Self::Unknown } else { self };
        }
        let Some((inter_picture, inter_layer)) = dependencies(facts) else { return self };
        match (inter_picture, inter_layer, self) {
            (true, true, _) => Self::EveryPicture,
            (true, false, Self::Unknown) => Self::KeyPictures,
            (false, true, Self::Never) => Self::Unknown,
            (false, false, _) => Self::Never,
            _ => self,
        }
    }
}

/// Of a frame above the base layer: whether it refers to earlier pictures (P), and to the layer below (D).
fn dependencies(facts: &FrameFacts) -> Option<(bool, bool)> {
    match &facts.descriptor {
        Descriptor::Vp9(Vp9Descriptor { layer: Some(layer), inter_picture, .. }) if layer.spatial > 0 => {
            Some((*inter_picture, layer.inter_layer))
        }
        _ => None,
    }
}

/// Whether a packet belongs to a keyframe's picture, also when the first packet of that was overtaken.
fn is_of_key_picture(facts: &FrameFacts, mode: InterLayer) -> bool {
    let Descriptor::Vp9(descriptor) = &facts.descriptor else { return facts.keyframe };
    match dependencies(facts) {
        // In full SVC a layer may start over in the middle.
        Some((inter_picture, inter_layer)) => mode == InterLayer::KeyPictures && !inter_picture && inter_layer,
        None => !descriptor.inter_picture,
    }
}

/// The spatial layers of one picture that go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpatialLayers {
    /// The highest, from one picture to the next.
    pub(crate) top: u8,
    /// Nothing above goes out in this picture.
    cap: u8,
    /// The ones below it do not go out.
    only_top: bool,
    /// Lower ones were left out since the last keyframe: they cannot be gone down to.
    lower_left_out: bool,
}

impl SpatialLayers {
    /// Of the first picture.
    pub(crate) const fn all() -> Self {
        Self { top: u8::MAX, cap: u8::MAX, only_top: false, lower_left_out: false }
    }

    /// Of a new picture, with nothing above `limit` wanted. `highest` is the highest layer that the stream is known to have.
    pub(crate) fn next(self, facts: &FrameFacts, limit: u8, mode: InterLayer, highest: u8) -> Self {
        if is_of_key_picture(facts, mode) {
            let top = limit.min(highest);
            return Self {
                top: if mode == InterLayer::Never { top } else { limit },
                cap: u8::MAX,
                only_top: mode == InterLayer::Never && top > 0,
                lower_left_out: mode == InterLayer::Never && top > 0,
            };
        }
        let top = if self.lower_left_out { self.top } else { self.top.min(limit) };
        let only_top = matches!(mode, InterLayer::KeyPictures | InterLayer::Never) && self.top.min(highest) > 0;
        if only_top {
            let top = top.min(highest);
            Self { top, cap: u8::MAX, only_top: top > 0, lower_left_out: self.lower_left_out || top > 0 }
        } else {
            Self { top, cap: u8::MAX, only_top: false, ..self }
        }
    }

    /// Of a picture that comes late, when these were those of the one before it.
    pub(crate) fn late(self, facts: &FrameFacts, mode: InterLayer) -> Self {
        let whole = mode != InterLayer::Never && is_of_key_picture(facts, mode);
        Self { cap: u8::MAX, only_top: self.only_top && !whole, ..self }
    }

    /// With a layer right above, which starts over here.
    pub(crate) const fn joined_by(self, spatial: u8) -> Self {
        Self { top: spatial, cap: u8::MAX, ..self }
    }

    /// With nothing above `cap` in this picture.
    pub(crate) fn capped(self, cap: u8) -> Self {
        Self { cap: self.cap.min(cap), ..self }
    }

    /// The highest of this picture.
    pub(crate) fn top(self) -> u8 {
        self.top.min(self.cap)
    }

    /// Whether the frame that `facts` tell of goes out.
    pub(crate) fn contains(self, facts: &FrameFacts) -> bool {
        if !self.only_top {
            return facts.spatial <= self.top();
        }
        // What leans on a frame that was left out cannot be decoded.
        facts.spatial == self.top() && !dependencies(facts).is_some_and(|(_, inter_layer)| inter_layer)
    }

    /// Whether none of these layers of the picture goes out.
    pub(crate) fn leaves_out(self, mut layers: RangeInclusive<u8>) -> bool {
        layers.all(|layer| layer > self.top() || (self.only_top && layer < self.top()))
    }

    /// Whether nothing that comes before this packet in the picture goes out.
    pub(crate) fn leaves_out_before(self, facts: &FrameFacts) -> bool {
        self.only_top && (facts.spatial < self.top() || (facts.spatial == self.top() && facts.starts_frame))
    }

    /// Whether nothing that comes after this packet in the picture goes out.
    pub(crate) fn leaves_out_after(self, facts: &FrameFacts) -> bool {
        facts.spatial > self.top() || (facts.spatial == self.top() && facts.ends_frame)
    }

    /// Whether `limit` can be had by a keyframe only.
    pub(crate) const fn needs_keyframe_for(self, limit: u8) -> bool {
        self.top < limit || (self.lower_left_out && self.top > limit)
    }
}

#[cfg(test)]
mod tests {
    use sfu_wire::payload::vp9::Vp9Layer;

    use super::*;

    fn frame(spatial: u8, inter_picture: bool, inter_layer: bool) -> FrameFacts {
        let layer = Some(Vp9Layer { spatial, inter_layer, ..Vp9Layer::default() });
        FrameFacts {
            keyframe: !inter_picture && spatial == 0,
            spatial,
            descriptor: Descriptor::Vp9(Vp9Descriptor { layer, inter_picture, ..Vp9Descriptor::default() }),
            ..FrameFacts::opaque(false)
        }
    }

    fn learn(frames: &[FrameFacts]) -> InterLayer {
        frames.iter().fold(InterLayer::default(), InterLayer::learn)
    }

    const KEY: [(u8, bool, bool); 2] = [(0, false, false), (1, false, true)];

    fn frames(list: &[(u8, bool, bool)]) -> Vec<FrameFacts> {
        list.iter().map(|(spatial, inter, layer)| frame(*spatial, *inter, *layer)).collect()
    }

    #[test]
    fn the_mode_shows_in_the_first_inter_picture() {
        let after = |list: &[(u8, bool, bool)]| learn(&frames(&[&KEY, list].concat()));
        assert_eq!(after(&[]), InterLayer::Unknown);
        assert_eq!(after(&[(0, true, false), (1, true, true)]), InterLayer::EveryPicture);
        assert_eq!(after(&[(0, true, false), (1, true, false)]), InterLayer::KeyPictures);
        assert_eq!(learn(&frames(&[(0, false, false), (1, false, false)])), InterLayer::Never);
    }

    #[test]
    fn one_inter_picture_that_leans_on_the_layer_below_is_full_svc() {
        let list = [(1, true, false), (1, true, true), (1, true, false)];
        assert_eq!(learn(&frames(&list)), InterLayer::EveryPicture);
    }

    #[test]
    fn in_k_svc_the_lower_layers_go_out_in_keyframes_alone() {
        let key = SpatialLayers::all().next(&frame(0, false, false), 2, InterLayer::KeyPictures, 2);
        assert!((0..3).all(|spatial| key.contains(&frame(spatial, false, spatial > 0))));
        let inter = key.next(&frame(0, true, false), 2, InterLayer::KeyPictures, 2);
        let sent: Vec<u8> = (0..3).filter(|spatial| inter.contains(&frame(*spatial, true, false))).collect();
        assert_eq!(sent, [2]);
        assert!(inter.needs_keyframe_for(0), "down needs one too");
        assert_eq!(inter.next(&frame(0, true, false), 0, InterLayer::KeyPictures, 2).top, 2);
    }

    #[test]
    fn in_full_svc_down_is_at_the_next_picture() {
        let key = SpatialLayers::all().next(&frame(0, false, false), 2, InterLayer::Unknown, 2);
        let down = key.next(&frame(0, true, false), 0, InterLayer::EveryPicture, 2);
        assert_eq!(down.top, 0);
        assert!(!down.needs_keyframe_for(0) && down.needs_keyframe_for(1));
        assert_eq!(down.next(&frame(0, true, false), 2, InterLayer::EveryPicture, 2).top, 0, "up waits for a keyframe");
    }

    #[test]
    fn of_independent_layers_the_wanted_one_goes_out_alone() {
        let key = SpatialLayers::all().next(&frame(0, false, false), 7, InterLayer::Never, 2);
        let sent: Vec<u8> = (0..3).filter(|spatial| key.contains(&frame(*spatial, false, false))).collect();
        assert_eq!(sent, [2]);
    }

    #[test]
    fn a_frame_that_leans_on_what_was_left_out_stays_back() {
        let inter = SpatialLayers { top: 1, cap: u8::MAX, only_top: true, lower_left_out: true };
        assert!(inter.contains(&frame(1, true, false)));
        assert!(!inter.contains(&frame(1, true, true)));
    }
}

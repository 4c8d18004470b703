//! Whether a frame can be decoded with what was given before it.
//!
//! After a loss a frame that may refer to anything waits for a keyframe. VP8 says more: frames of temporal layer 0 refer to that layer
//! alone and are counted (TL0PICIDX), and the layer-sync bit marks frames that refer to nothing but layer 0 (RFC 7741 §4.2).

use crate::layer::{Descriptor, FrameFacts};

/// What a frame may refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing.
    Nothing,
    /// Everything before it.
    Everything,
    /// VP8 with temporal layers.
    Layered { tid: u8, tl0: u8, sync: bool },
}

impl Needs {
    /// What the first packet of a frame says.
    pub(super) fn of(facts: &FrameFacts, keyframe: bool) -> Self {
        match facts.descriptor {
            _ if keyframe && !matches!(facts.descriptor, Descriptor::Vp8(_)) => Self::Nothing,
            Descriptor::Vp8(descriptor) => match (descriptor.temporal, descriptor.tl0_pic_idx) {
                (Some(temporal), Some(tl0)) => Self::Layered { tid: temporal.tid, tl0, sync: temporal.layer_sync },
                _ if keyframe => Self::Nothing,
                _ => Self::Everything,
            },
            _ => Self::Everything,
        }
    }
}

/// See the module's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gate {
    /// Everything since the last keyframe was given.
    whole: bool,
    /// The last given frame of temporal layer 0.
    tl0: Option<u8>,
    /// Layers up to this one have lost nothing that their frames may refer to.
    intact: u8,
}

impl Gate {
    /// Nothing was given yet.
    pub(super) const fn new() -> Self {
        Self { whole: false, tl0: None, intact: 0 }
    }

    /// A frame was not given.
    pub(super) const fn lose(&mut self) {
        (self.whole, self.intact) = (false, 0);
    }

    /// So much may be missing that the counters have wrapped.
    pub(super) const fn lapse(&mut self) {
        if !self.whole {
            self.close();
        }
    }

    /// A frame that was admitted was not given after all: only a keyframe helps.
    pub(super) const fn close(&mut self) {
        *self = Self::new();
    }

    /// Whether a frame can be decoded; it is given then.
    pub(super) fn admit(&mut self, keyframe: bool, needs: Needs) -> bool {
        let admitted = keyframe || self.whole || self.reaches(needs);
        if !admitted {
            return false;
        }
        if keyframe {
            (self.whole, self.intact, self.tl0) = (true, u8::MAX, None);
        }
        if let Needs::Layered { tid, tl0, sync } = needs {
            if tid == 0 {
                self.tl0 = Some(tl0);
            } else if sync && tid == self.intact.saturating_add(1) {
                self.intact = tid;
            }
        }
        true
    }

    /// Whether a frame that is refused needs a keyframe to go on, rather than the next frame of its layer's base.
    pub(super) fn needs_keyframe(self, needs: Needs) -> bool {
        !matches!(needs, Needs::Layered { tid: 1.., tl0, .. } if self.tl0 == Some(tl0))
    }

    fn reaches(self, needs: Needs) -> bool {
        match needs {
            Needs::Nothing => true,
            Needs::Everything => false,
            Needs::Layered { tid: 0, tl0, .. } => self.tl0.is_some_and(|last| last.wrapping_add(1) == tl0),
            Needs::Layered { tid, tl0, sync } => self.tl0 == Some(tl0) && (sync || tid <= self.intact),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn layered(tid: u8, tl0: u8, sync: bool) -> Needs {
        Needs::Layered { tid, tl0, sync }
    }

    #[test]
    fn what_may_refer_to_anything_waits_for_a_keyframe() {
        let mut gate = Gate::new();
        assert!(!gate.admit(false, Needs::Everything));
        assert!(gate.admit(true, Needs::Nothing) && gate.admit(false, Needs::Everything));
        gate.lose();
        assert!(!gate.admit(false, Needs::Everything) && gate.needs_keyframe(Needs::Everything));
        assert!(gate.admit(true, Needs::Nothing) && gate.admit(false, Needs::Everything));
    }

    #[test]
    fn a_lost_frame_of_an_upper_layer_costs_that_layer_until_its_sync() {
        let mut gate = Gate::new();
        assert!(gate.admit(true, layered(0, 255, true)));
        assert!(gate.admit(false, layered(2, 255, true)) && gate.admit(false, layered(1, 255, true)));
        // The frame of layer 2 behind it is lost.
        gate.lose();
        assert!(gate.admit(false, layered(0, 0, false)), "it refers to 255 of its own layer");
        assert!(!gate.admit(false, layered(2, 0, false)) && !gate.needs_keyframe(layered(2, 0, false)));
        assert!(!gate.admit(false, layered(1, 0, false)));
        assert!(gate.admit(false, layered(0, 1, false)) && gate.admit(false, layered(2, 1, true)));
        assert!(!gate.admit(false, layered(2, 1, false)), "layer 1 is not whole");
        assert!(gate.admit(false, layered(1, 1, true)) && gate.admit(false, layered(1, 1, false)));
        assert!(gate.admit(false, layered(2, 1, true)) && gate.admit(false, layered(2, 1, false)));
    }

    #[test]
    fn a_closed_gate_takes_a_keyframe_whatever_the_counters_say() {
        let mut gate = Gate::new();
        assert!(gate.admit(true, layered(0, 7, true)));
        gate.lapse();
        assert!(gate.admit(false, layered(0, 8, false)), "nothing is missing");
        gate.lose();
        gate.lapse();
        assert!(!gate.admit(false, layered(0, 9, false)) && !gate.admit(false, layered(1, 8, true)));
        assert!(gate.needs_keyframe(layered(1, 8, true)));
    }

    #[test]
    fn a_lost_frame_of_layer_0_takes_a_keyframe() {
        let mut gate = Gate::new();
        assert!(gate.admit(true, layered(0, 7, true)));
        gate.lose();
        let (base, upper) = (layered(0, 9, false), layered(1, 8, true));
        assert!(!gate.admit(false, upper) && gate.needs_keyframe(upper), "of a base that was lost");
        assert!(!gate.admit(false, base) && gate.needs_keyframe(base));
        assert!(gate.admit(true, layered(0, 10, true)) && gate.admit(false, layered(1, 10, false)));
    }
}

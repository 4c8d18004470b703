//! Whether a frame can be decoded with what was given before it.
//!
//! Until something is lost everything can. Behind a loss a frame goes on that names what it refers to, if all of that was given;
//! one of temporal layers as far as the layers below are known to be whole; all else waits for a keyframe.

use super::needs::{Entry, Frames, Layers, Needs};

/// So many frame numbers are remembered: with three spatial layers 1.4 s at 60 fps.
const FRAMES: usize = 256;
/// Every temporal layer.
const ALL: u8 = u8::MAX;

/// See the module's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gate {
    /// So many temporal layers lack nothing that their frames may refer to.
    layers: u8,
    /// TL0PICIDX of the last given frame of layer 0.
    base: Option<u8>,
    given: Numbers,
}

impl Gate {
    /// Nothing was given yet.
    pub(super) fn new() -> Self {
        Self { layers: 0, base: None, given: Numbers::new() }
    }

    /// Frames were lost to which those from this temporal layer on may refer; from 0 on: any frame.
    pub(super) fn lose(&mut self, from: u8) {
        self.layers = self.layers.min(from);
    }

    /// So much may be missing that the counter has wrapped.
    pub(super) fn lapse(&mut self) {
        if self.layers == 0 {
            self.base = None;
        }
    }

    /// A frame that was admitted was not given after all: only a keyframe helps.
    pub(super) fn close(&mut self) {
        (self.layers, self.base) = (0, None);
        self.given.clear();
    }

    /// Whether a picture can be decoded, whose frames need this; it is given then.
    pub(super) fn admit(&mut self, keyframe: bool, needs: impl Iterator<Item = Needs> + Clone) -> bool {
        let whole = keyframe || self.layers == ALL;
        if !whole && !needs.clone().all(|one| self.reaches(one, &needs)) {
            return false;
        }
        if keyframe {
            self.close();
            self.layers = ALL;
        }
        needs.for_each(|one| self.note(one));
        true
    }

    /// Whether a picture that is refused needs a keyframe to go on, rather than the next frame of its layer's base.
    pub(super) fn needs_keyframe(&self, needs: Needs) -> bool {
        match needs {
            Needs::Everything => true,
            Needs::Layers(layers) => layers.temporal == 0 || !self.has_base(layers),
            Needs::Frames(frames) => frames.temporal == 0,
        }
    }

    fn reaches(&self, needs: Needs, picture: &(impl Iterator<Item = Needs> + Clone)) -> bool {
        match needs {
            Needs::Everything => false,
            Needs::Layers(layers) => {
                let whole = self.layers.max(1);
                let enters = match layers.entry {
                    Entry::FromBase => true,
                    Entry::FromBelow | Entry::FromBelowWithAbove => layers.temporal == whole,
                    Entry::None => false,
                };
                self.has_base(layers) && (enters || layers.temporal < whole)
            }
            Needs::Frames(frames) => frames.references().all(|number| {
                let same = |other| matches!(other, Needs::Frames(Frames { number: of, .. }) if of == number);
                self.given.contains(number) || picture.clone().any(same)
            }),
        }
    }

    /// Whether layer 0 lacks nothing that the frame may refer to.
    fn has_base(&self, layers: Layers) -> bool {
        let follows = |(last, count): (u8, u8)| count == if layers.temporal == 0 { last.wrapping_add(1) } else { last };
        self.layers > 0 || self.base.zip(layers.base).is_some_and(follows)
    }

    fn note(&mut self, needs: Needs) {
        match needs {
            Needs::Everything => {}
            Needs::Layers(layers) => {
                self.layers = self.layers.max(1);
                if layers.temporal == 0 {
                    self.base = layers.base;
                }
                if layers.temporal == self.layers {
                    self.layers = match layers.entry {
                        Entry::None => self.layers,
                        Entry::FromBase | Entry::FromBelow => self.layers + 1,
                        Entry::FromBelowWithAbove => ALL,
                    };
                }
            }
            Needs::Frames(frames) => self.given.insert(frames.number),
        }
    }
}

/// The last frame numbers that were given.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Numbers(Vec<Option<i64>>);

impl Numbers {
    fn new() -> Self {
        Self(vec![None; FRAMES])
    }

    fn insert(&mut self, number: i64) {
        self.0[index_of(number)] = Some(number);
    }

    fn contains(&self, number: i64) -> bool {
        self.0[index_of(number)] == Some(number)
    }

    fn clear(&mut self) {
        self.0.fill(None);
    }
}

const fn index_of(number: i64) -> usize {
    number.rem_euclid(FRAMES as i64) as usize
}

#[cfg(test)]
mod tests;

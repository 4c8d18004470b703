//! What the subscribers of one shard need of a track that is carried to it: keyframes, and layers at all.
//!
//! The publisher's shard adds it to the needs of its own subscribers as if they were there, so that requests are coalesced and
//! spaced in one place, by one governor. Told when it changes.

use crate::demand::Layers;
use crate::keyframe::Wish;
use crate::layer::Encodings;

const ENCODINGS: usize = Encodings::MAX as usize;

/// See the module's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Wants {
    /// By encoding.
    pub(crate) keyframes: [Option<Wish>; ENCODINGS],
    pub(crate) layers: Layers,
}

impl Wants {
    /// A byte for each encoding, then one for each spatial layer.
    pub(super) const LEN: usize = ENCODINGS + Layers::SPATIAL;

    /// One more wish for a keyframe: of several for one encoding the highest counts.
    pub(crate) fn keyframe(&mut self, encoding: usize, wish: Wish) {
        if let Some(place) = self.keyframes.get_mut(encoding) {
            *place = (*place).max(Some(wish));
        }
    }

    /// Those of others too.
    pub(crate) fn add(&mut self, others: &Self) {
        for (encoding, wish) in others.keyframes.iter().enumerate() {
            if let Some(wish) = wish {
                self.keyframe(encoding, *wish);
            }
        }
        self.layers = self.layers.or(others.layers);
    }

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let (keyframes, layers) = bytes.split_at_mut(ENCODINGS);
        for (byte, wish) in keyframes.iter_mut().zip(self.keyframes) {
            *byte = match wish {
                None => 0,
                Some(Wish::Again) => 1,
                Some(Wish::First) => 2,
            };
        }
        layers.copy_from_slice(&self.layers.counts());
        bytes
    }

    /// What is unknown is taken for nothing.
    pub(super) fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        let (keyframes, layers) = bytes.split_at(ENCODINGS);
        let mut wants = Self::default();
        for (wish, byte) in wants.keyframes.iter_mut().zip(keyframes) {
            *wish = match byte {
                1 => Some(Wish::Again),
                2 => Some(Wish::First),
                _ => None,
            };
        }
        wants.layers = Layers::of(std::array::from_fn(|spatial| layers.get(spatial).copied().unwrap_or(0)));
        wants
    }
}

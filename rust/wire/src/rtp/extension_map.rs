//! Which number stands for which header extension in one peer's packets (RFC 8285 §5).
//!
//! Small enough to copy; both directions are looked up per packet. Invariant: `low[id]` and `ids` say the same.

use std::fmt;

use crate::rtp::extension::Extension;

/// Numbers that fit the one-byte form are found by index, the others (rare) by looking through the ten ids.
const LOW_IDS: usize = 16;

/// Header extension ids (1..=255) ⇄ [`Extension`]. An extension has one id at most, an id one extension.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct ExtensionMap {
    /// By `Extension::index`; 0: not negotiated.
    ids: [u8; Extension::COUNT],
    /// By id.
    low: [Option<Extension>; LOW_IDS],
}

impl ExtensionMap {
    /// Without any.
    pub const fn new() -> Self {
        Self { ids: [0; Extension::COUNT], low: [None; LOW_IDS] }
    }

    /// Lets `id` stand for `extension` and for nothing else. False when `id` is 0, which is none (RFC 8285 §4.2), or 15,
    /// which the one-byte form reserves.
    pub fn insert(&mut self, id: u8, extension: Extension) -> bool {
        if matches!(id, 0 | 15) {
            return false;
        }
        if let Some(previous) = self.extension(id) {
            self.remove(previous);
        }
        self.remove(extension);
        if let Some(slot) = self.ids.get_mut(extension.index()) {
            *slot = id;
        }
        if let Some(slot) = self.low.get_mut(usize::from(id)) {
            *slot = Some(extension);
        }
        true
    }

    /// Forgets the id of `extension`.
    pub fn remove(&mut self, extension: Extension) {
        let Some(id) = self.ids.get_mut(extension.index()) else {
            return;
        };
        let id = std::mem::take(id);
        if let Some(slot) = self.low.get_mut(usize::from(id)) {
            *slot = None;
        }
    }

    /// The id of `extension`.
    pub fn id(&self, extension: Extension) -> Option<u8> {
        self.ids.get(extension.index()).copied().filter(|id| *id != 0)
    }

    /// What `id` stands for.
    pub fn extension(&self, id: u8) -> Option<Extension> {
        match self.low.get(usize::from(id)) {
            Some(extension) => *extension,
            None => self.iter().find(|(used, _)| *used == id).map(|(_, extension)| extension),
        }
    }

    /// Whether `extension` is negotiated.
    pub fn contains(&self, extension: Extension) -> bool {
        self.id(extension).is_some()
    }

    /// The negotiated ones, in the order of [`Extension::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (u8, Extension)> + '_ {
        self.ids.iter().copied().zip(Extension::ALL).filter(|(id, _)| *id != 0)
    }

    /// Whether none is negotiated.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl FromIterator<(u8, Extension)> for ExtensionMap {
    fn from_iter<I: IntoIterator<Item = (u8, Extension)>>(items: I) -> Self {
        let mut map = Self::new();
        for (id, extension) in items {
            map.insert(id, extension);
        }
        map
    }
}

impl fmt::Debug for ExtensionMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_has_one_meaning_and_an_extension_one_id() {
        let mut map = ExtensionMap::new();
        assert!(map.insert(4, Extension::Mid));
        assert!(map.insert(4, Extension::Rid));
        assert_eq!((map.extension(4), map.id(Extension::Mid)), (Some(Extension::Rid), None));
        assert!(map.insert(200, Extension::Rid));
        assert_eq!((map.extension(4), map.extension(200)), (None, Some(Extension::Rid)));
        assert!(!map.insert(0, Extension::Mid) && !map.insert(15, Extension::Mid));
    }

    proptest! {
        #[test]
        fn both_directions_agree(steps in prop::collection::vec((any::<u8>(), 0..10usize, any::<bool>()), 0..60)) {
            let mut map = ExtensionMap::new();
            for (id, index, insert) in steps {
                let extension = Extension::ALL[index];
                if insert {
                    map.insert(id, extension);
                } else {
                    map.remove(extension);
                }
                for extension in Extension::ALL {
                    if let Some(id) = map.id(extension) {
                        prop_assert_eq!(map.extension(id), Some(extension));
                    }
                }
                for id in 0..=255 {
                    if let Some(extension) = map.extension(id) {
                        prop_assert_eq!(map.id(extension), Some(id));
                    }
                }
            }
        }
    }
}

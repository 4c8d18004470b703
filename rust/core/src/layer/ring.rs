//! A bounded memory of what was last: it grows to its capacity once and then overwrites the oldest.

use sfu_wire::prefetch;

/// See the module's text.
#[derive(Debug, Clone)]
pub(crate) struct Ring<T> {
    items: Vec<T>,
    /// Index of the oldest, once full.
    oldest: usize,
    capacity: usize,
}

impl<T> Ring<T> {
    pub(crate) const fn new(capacity: usize) -> Self {
        Self { items: Vec::new(), oldest: 0, capacity }
    }

    /// Asks for the memory of the item that is pushed next.
    pub(crate) fn prefetch(&self) {
        let next = if self.items.len() < self.capacity { self.items.len() } else { self.oldest };
        // It may lie in two lines.
        prefetch::item(&self.items, next);
        prefetch::item(&self.items, next + 1);
    }

    pub(crate) fn push(&mut self, item: T) {
        if self.items.len() < self.capacity {
            self.items.push(item);
        } else {
            self.items[self.oldest] = item;
            self.oldest = if self.oldest + 1 < self.capacity { self.oldest + 1 } else { 0 };
        }
    }

    /// Newest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let (newer, older) = self.items.split_at(self.oldest);
        newer.iter().rev().chain(older.iter().rev())
    }

    /// In any order.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.items.iter_mut()
    }

    /// Forgets everything and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.items.clear();
        self.oldest = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_overwritten_and_the_newest_comes_first() {
        let mut ring = Ring::new(3);
        for item in 0..5 {
            ring.push(item);
            assert_eq!(ring.iter().next(), Some(&item));
        }
        assert_eq!(ring.iter().copied().collect::<Vec<_>>(), [4, 3, 2]);
        ring.clear();
        ring.push(9);
        assert_eq!(ring.iter().copied().collect::<Vec<_>>(), [9]);
    }
}

//! Where rooms, sessions, tracks and subscriptions live: slots with a generation, found in O(1), walked in slot order.
//!
//! An id is shard (16 bits), generation (24) and slot (24). A stale id finds nothing, even after its slot was used again, and
//! the order of a walk depends on the history of commands alone, so that a run can be repeated to the byte.
//!
//! What stands in for something of another shard lies beside them under that one's own id, so that ids need no translation.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::mem::offset_of;

use sfu_wire::prefetch;

use crate::id::{ChannelId, RoomId, SessionId, SubscriptionId, TapId, TrackId};

const SLOT_BITS: u32 = 24;
const SLOT_MASK: u64 = (1 << SLOT_BITS) - 1;
const GENERATION_MASK: u64 = (1 << 24) - 1;

/// An id that an [`Arena`] can hand out.
pub(crate) trait Id: Copy {
    fn from_u64(value: u64) -> Self;
    fn to_u64(self) -> u64;
}

macro_rules! arena_id {
    ($($name:ident),*) => {$(
        impl Id for $name {
            fn from_u64(value: u64) -> Self {
                Self::new(value)
            }
            fn to_u64(self) -> u64 {
                self.get()
            }
        }
    )*};
}
arena_id!(RoomId, SessionId, TrackId, SubscriptionId, TapId, ChannelId);

/// One transport of a session, inside one `Sfu`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConnectionId(u64);

/// A track that another shard has, as far as this `Sfu` has to do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ReplicaId(u64);

macro_rules! private_id {
    ($($name:ident),*) => {$(
        impl Id for $name {
            fn from_u64(value: u64) -> Self {
                Self(value)
            }
            fn to_u64(self) -> u64 {
                self.0
            }
        }
    )*};
}
private_id!(ConnectionId, ReplicaId);

/// Where it lies: no other living value of its kind lies there.
pub(crate) fn slot_of(id: impl Id) -> u32 {
    (id.to_u64() & SLOT_MASK) as u32
}

#[derive(Debug)]
// The generation first: `prefetch` counts from it.
#[repr(C)]
struct Slot<T> {
    generation: u64,
    value: Option<T>,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Arena<I, T> {
    shard: u16,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    len: usize,
    /// By the ids that other shards made; never walked.
    foreign: HashMap<u64, T>,
    id: PhantomData<I>,
}

impl<I: Id, T> Arena<I, T> {
    pub(crate) fn new(shard: u16) -> Self {
        Self { shard, slots: Vec::new(), free: Vec::new(), len: 0, foreign: HashMap::new(), id: PhantomData }
    }

    /// Makes `value` of its id and keeps it.
    pub(crate) fn insert_with(&mut self, make: impl FnOnce(I) -> T) -> I {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, value: None });
            (self.slots.len() - 1) as u32
        });
        let entry = &mut self.slots[slot as usize];
        // Never 0, so that no id is: 0 names nothing.
        entry.generation = ((entry.generation + 1) & GENERATION_MASK).max(1);
        let id = I::from_u64(u64::from(self.shard) << 48 | entry.generation << SLOT_BITS | u64::from(slot));
        entry.value = Some(make(id));
        self.len += 1;
        id
    }

    /// Keeps `value` under the id of what it stands for on another shard.
    pub(crate) fn insert_foreign(&mut self, id: I, value: T) {
        self.foreign.insert(id.to_u64(), value);
    }

    pub(crate) fn get(&self, id: I) -> Option<&T> {
        if self.is_foreign(id) {
            return self.foreign.get(&id.to_u64());
        }
        let slot = self.slots.get((id.to_u64() & SLOT_MASK) as usize)?;
        if names(slot, id) { slot.value.as_ref() } else { None }
    }

    /// Asks for the first `len` bytes of what is to be looked up soon.
    pub(crate) fn prefetch(&self, id: I, len: usize) {
        if let Some(slot) = self.slots.get(slot_of(id) as usize) {
            prefetch::lines(&slot.generation, offset_of!(Slot<T>, value) + len);
        }
    }

    pub(crate) fn get_mut(&mut self, id: I) -> Option<&mut T> {
        if self.is_foreign(id) {
            return self.foreign.get_mut(&id.to_u64());
        }
        let slot = self.slots.get_mut((id.to_u64() & SLOT_MASK) as usize)?;
        if names(slot, id) { slot.value.as_mut() } else { None }
    }

    pub(crate) fn remove(&mut self, id: I) -> Option<T> {
        if self.is_foreign(id) {
            return self.foreign.remove(&id.to_u64());
        }
        let index = (id.to_u64() & SLOT_MASK) as usize;
        let slot = self.slots.get_mut(index).filter(|slot| names(slot, id))?;
        let value = slot.value.take()?;
        self.free.push(index as u32);
        self.len -= 1;
        Some(value)
    }

    /// Without what stands in for others.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// How many stand in for what other shards have.
    pub(crate) fn foreign_len(&self) -> usize {
        self.foreign.len()
    }

    fn is_foreign(&self, id: I) -> bool {
        id.to_u64() >> 48 != u64::from(self.shard)
    }
}

/// Whether a slot of this shard holds what `id` was made for.
fn names<I: Id, T>(slot: &Slot<T>, id: I) -> bool {
    id.to_u64() >> SLOT_BITS & GENERATION_MASK == slot.generation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_id_finds_nothing_after_its_slot_was_used_again() {
        let mut arena = Arena::<RoomId, &str>::new(3);
        let first = arena.insert_with(|_| "first");
        assert_eq!(first.shard(), 3);
        assert_eq!(arena.remove(first), Some("first"));
        let second = arena.insert_with(|_| "second");
        assert_eq!(first.get() & SLOT_MASK, second.get() & SLOT_MASK, "the slot is reused");
        assert_eq!(arena.get(first), None);
        assert_eq!(arena.get_mut(first), None);
        assert_eq!(arena.remove(first), None);
        assert_eq!(arena.get(second), Some(&"second"));
        assert_eq!(arena.len(), 1);
    }

    #[test]
    fn an_id_of_another_shard_finds_nothing() {
        let mut here = Arena::<RoomId, u8>::new(1);
        let mut there = Arena::<RoomId, u8>::new(2);
        let id = there.insert_with(|_| 7);
        here.insert_with(|_| 8);
        assert_eq!(here.get(id), None);
    }

    #[test]
    fn what_stands_in_for_another_shards_is_found_under_its_id() {
        let mut here = Arena::<RoomId, u8>::new(1);
        let id = Arena::<RoomId, u8>::new(2).insert_with(|_| 7);
        here.insert_foreign(id, 9);
        assert_eq!((here.get(id), here.len(), here.foreign_len()), (Some(&9), 0, 1));
        here.get_mut(id).into_iter().for_each(|value| *value += 1);
        assert_eq!((here.remove(id), here.get(id), here.foreign_len()), (Some(10), None, 0));
    }
}

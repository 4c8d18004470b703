//! What connects the shards of a server: two rings for every two of them, one in each direction.

use std::sync::Arc;

use super::doorbell::Doorbell;
use crate::sys::{RingReader, RingWriter, ring};

/// One shard's ends of the rings to another.
pub(crate) struct Lane {
    pub(crate) reader: RingReader,
    pub(crate) writer: RingWriter,
    bell: Arc<Doorbell>,
}

impl Lane {
    /// Shows the other shard what was written, and wakes it if it sleeps.
    pub(crate) fn publish(&mut self) {
        if self.writer.publish() {
            self.bell.ring();
        }
    }
}

/// One shard's lanes, by the other shard's number; there is none to itself.
#[derive(Default)]
pub(crate) struct Lanes(Vec<Option<Lane>>);

impl Lanes {
    /// The lanes of all shards, one for each bell, of rings of `capacity` bytes.
    pub(crate) fn mesh(bells: &[Arc<Doorbell>], capacity: usize) -> Vec<Self> {
        let ends = |count: usize| std::iter::repeat_with(|| None).take(count).collect::<Vec<_>>();
        let mut mesh: Vec<Self> = bells.iter().map(|_| Self(ends(bells.len()))).collect();
        for one in 0..bells.len() {
            for other in one + 1..bells.len() {
                let ((to, there), (back, here)) = (ring(capacity), ring(capacity));
                mesh[one].0[other] = Some(Lane { reader: here, writer: to, bell: Arc::clone(&bells[other]) });
                mesh[other].0[one] = Some(Lane { reader: there, writer: back, bell: Arc::clone(&bells[one]) });
            }
        }
        mesh
    }

    /// The lane to a shard.
    pub(crate) fn to(&mut self, shard: u16) -> Option<&mut Lane> {
        self.0.get_mut(usize::from(shard))?.as_mut()
    }

    /// All of them, with the number of the other shard.
    pub(crate) fn all(&mut self) -> impl Iterator<Item = (u16, &mut Lane)> {
        self.0.iter_mut().zip(0..).filter_map(|(lane, shard)| Some((shard, lane.as_mut()?)))
    }

    /// Whether there is a lane to a shard.
    pub(crate) fn leads_to(&self, shard: u16) -> bool {
        self.0.get(usize::from(shard)).is_some_and(Option::is_some)
    }

    /// Whether nothing is to be read.
    pub(crate) fn are_quiet(&mut self) -> bool {
        self.all().all(|(_, lane)| !lane.reader.look())
    }

    /// Shows all others what was written for them.
    pub(crate) fn publish(&mut self) {
        self.all().for_each(|(_, lane)| lane.publish());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_two_shards_have_a_lane_and_none_leads_home() {
        let bells: Vec<_> = (0..3).map(|_| Arc::new(Doorbell::new().unwrap())).collect();
        let mut mesh = Lanes::mesh(&bells, 1024);
        for from in 0..3_u16 {
            for to in 0..3_u16 {
                assert_eq!(mesh[usize::from(from)].leads_to(to), from != to);
                if let Some(lane) = mesh[usize::from(from)].to(to) {
                    lane.writer.reserve(2).unwrap().copy_from_slice(&[from as u8, to as u8]);
                }
            }
        }
        assert!(mesh.iter_mut().all(Lanes::are_quiet), "nothing is published");
        mesh.iter_mut().for_each(Lanes::publish);
        for (to, lanes) in mesh.iter_mut().enumerate() {
            assert!(!lanes.are_quiet());
            for (from, lane) in lanes.all() {
                assert!(lane.reader.look());
                assert_eq!(lane.reader.next().unwrap(), [from as u8, to as u8]);
            }
        }
    }
}

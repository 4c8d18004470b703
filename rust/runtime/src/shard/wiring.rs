//! What the shards of a server have in common, made before any of them starts.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::doorbell::Doorbell;
use super::gauge::Gauge;
use super::handover::{self, Handover};
use super::lanes::Lanes;
use super::relays::{self, Relays};
use super::steering::Steering;

/// What one shard is given.
pub(crate) struct Wiring {
    pub(super) shard: u16,
    pub(super) gauge: Arc<Gauge>,
    pub(super) bell: Arc<Doorbell>,
    pub(super) handover: Handover,
    pub(super) relays: Relays,
    pub(super) hold: Duration,
}

impl Wiring {
    /// For so many shards; `consent`: for so long a session lives without a check; `hold`: so long each lets datagrams come;
    /// `steer`: whether the kernel is told which has which flows.
    pub(crate) fn of(shards: u16, consent: Duration, hold: Duration, steer: bool) -> io::Result<Vec<Self>> {
        let epoch = Instant::now();
        let bells = (0..shards).map(|_| Doorbell::new().map(Arc::new)).collect::<io::Result<Vec<_>>>()?;
        let steering = (steer && shards > 1).then(|| Arc::new(Steering::new(shards, epoch, consent)));
        let strays = Lanes::mesh(&bells, handover::CAPACITY);
        let relays = Lanes::mesh(&bells, relays::CAPACITY);
        let parts = (0..shards).zip(bells).zip(strays).zip(relays);
        let wiring = parts.map(|(((shard, bell), strays), relays)| Self {
            shard,
            gauge: Arc::new(Gauge::new(epoch)),
            bell,
            handover: Handover::new(shard, strays, steering.clone(), epoch, consent),
            relays: Relays::new(relays),
            hold,
        });
        Ok(wiring.collect())
    }

    /// The number of its shard.
    pub(crate) fn shard(&self) -> u16 {
        self.shard
    }
}

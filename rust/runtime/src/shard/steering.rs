//! Which shard has which flows, so that the kernel gives a datagram to its owner at once.
//!
//! The kernel's own hash knows no sessions: every second flow of two shards comes to the wrong one and is handed over, which costs a
//! copy and a wake. A shard therefore claims the bucket of a remote address when a check from it was authentic, and the kernel is told the
//! table ([`FlowTable`]). Two flows of different shards may share a bucket: the first has it while its checks go on, the other's
//! datagrams are handed over as before. So nothing depends on this but time.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::routes::SHORTEST_PERIOD;
use crate::socket::{FlowTable, UdpSocket};

/// The kernel is told so often at most. Higher: less time for it when many come (a quarter of a millisecond each time). Lower: a newcomer's
/// datagrams are handed over for a shorter time.
const TOLD_EVERY: Duration = Duration::from_millis(500);
/// Of a claim, the lower bits are the shard's.
const SHARD_BITS: u32 = 16;

/// One for all shards of a server.
#[derive(Debug)]
pub(super) struct Steering {
    table: FlowTable,
    shards: u16,
    epoch: Instant,
    /// A claim ends when nobody has proven it for so long.
    period: Duration,
    /// By bucket: since the epoch, in milliseconds and one more, when it was last proven, above the shard. 0: nobody's.
    claims: Box<[AtomicU64]>,
    /// The kernel has an older table.
    changed: AtomicBool,
    /// When it was told last, in milliseconds since the epoch.
    told: AtomicU64,
}

impl Steering {
    /// `consent`: for so long a session lives without a check.
    pub(super) fn new(shards: u16, epoch: Instant, consent: Duration) -> Self {
        let (table, period) = (FlowTable::new(shards), consent.max(SHORTEST_PERIOD));
        let claims = (0..table.buckets()).map(|_| AtomicU64::new(0)).collect();
        let (changed, told) = (AtomicBool::new(false), AtomicU64::new(0));
        Self { table, shards, epoch, period, claims, changed, told }
    }

    /// An authentic check came from `remote` to a session of `shard`.
    pub(super) fn claim(&self, now: Instant, remote: &SocketAddr, shard: u16) {
        let bucket = self.table.bucket(remote);
        let Some(claim) = self.claims.get(bucket) else { return };
        let (owner, proven) = (self.shard(bucket), claim.load(Ordering::Relaxed) >> SHARD_BITS);
        let millis = self.millis(now);
        if owner != shard && proven != 0 && millis < proven + self.period.as_millis() as u64 {
            return;
        }
        // Where two shards do this at one time, either may win.
        claim.store((millis + 1) << SHARD_BITS | u64::from(shard), Ordering::Relaxed);
        if owner != shard {
            // Whoever sees this sees the claim.
            self.changed.store(true, Ordering::Release);
        }
    }

    /// Tells the kernel the table, if it has changed and enough time has gone by.
    pub(super) fn tell(&self, now: Instant, sockets: &[UdpSocket]) {
        if !self.changed.load(Ordering::Relaxed) {
            return;
        }
        let (millis, told) = (self.millis(now), self.told.load(Ordering::Relaxed));
        let is_due = millis >= told + TOLD_EVERY.as_millis() as u64;
        // One of those that see this does it.
        let is_mine = || self.told.compare_exchange(told, millis, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if !is_due || !is_mine() || !self.changed.swap(false, Ordering::Acquire) {
            return;
        }
        for socket in sockets {
            if let Err(error) = self.table.attach(socket, |bucket| self.shard(bucket)) {
                // A sandbox: its own choice stands, and the shards hand over.
                log::debug!("the kernel was not told which shard has which flows: {error}");
            }
        }
    }

    /// Which one the kernel is to give the bucket to.
    fn shard(&self, bucket: usize) -> u16 {
        let claim = self.claims.get(bucket).map_or(0, |claim| claim.load(Ordering::Relaxed));
        if claim == 0 { (bucket % usize::from(self.shards)) as u16 } else { claim as u16 }
    }

    fn millis(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.epoch).as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(15);

    /// Two flows in one bucket.
    fn rivals(steering: &Steering) -> (SocketAddr, SocketAddr) {
        let flow = |port| SocketAddr::from(([192, 0, 2, 1], port));
        let first = flow(1000);
        let other =
            (1001..u16::MAX).map(flow).find(|flow| steering.table.bucket(flow) == steering.table.bucket(&first));
        (first, other.unwrap_or(first))
    }

    #[test]
    fn a_bucket_is_whose_first_proved_it_while_its_checks_go_on() {
        let mut now = Instant::now();
        let steering = Steering::new(4, now, PERIOD);
        let (first, other) = rivals(&steering);
        assert_ne!(first, other);
        let bucket = steering.table.bucket(&first);
        let stray = (steering.shard(bucket) + 1) % 4;
        steering.claim(now, &first, stray);
        assert_eq!(steering.shard(bucket), stray);
        for _ in 0..10 {
            now += PERIOD * 2 / 3;
            steering.claim(now, &other, 3 - stray);
            assert_eq!(steering.shard(bucket), stray, "it is had");
            steering.claim(now, &first, stray);
        }
        now += PERIOD + Duration::from_millis(2);
        steering.claim(now, &other, 3 - stray);
        assert_eq!(steering.shard(bucket), 3 - stray);
    }

    #[test]
    fn the_kernel_is_told_what_is_new_and_not_too_often() {
        let now = Instant::now();
        let steering = Steering::new(2, now, PERIOD);
        let (flow, _) = rivals(&steering);
        let home = steering.shard(steering.table.bucket(&flow));
        let is_new = || steering.changed.load(Ordering::Relaxed);
        steering.claim(now, &flow, home);
        assert!(!is_new(), "it comes there anyway");
        let stray = SocketAddr::from(([192, 0, 2, 2], 1));
        let shard = |flow: &SocketAddr| 1 - steering.shard(steering.table.bucket(flow));
        steering.claim(now, &stray, shard(&stray));
        assert!(is_new());
        steering.tell(now + TOLD_EVERY, &[]);
        assert!(!is_new());
        let next = SocketAddr::from(([192, 0, 2, 3], 1));
        steering.claim(now, &next, shard(&next));
        steering.tell(now + TOLD_EVERY * 3 / 2, &[]);
        assert!(is_new(), "it waits");
        steering.tell(now + TOLD_EVERY * 2, &[]);
        assert!(!is_new());
    }
}

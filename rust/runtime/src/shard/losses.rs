//! Datagrams that the kernel lost in either direction, and the warnings about them.

use std::time::{Duration, Instant};

use crate::socket::Dropped;

/// Between two warnings.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// See the module's text.
#[derive(Default)]
pub(super) struct Losses {
    /// Each socket's last count of what its full queue has cost.
    overflow: Vec<u32>,
    /// Not read in time, on all sockets.
    received: u64,
    /// When the last warning was.
    warned: Option<Instant>,
    /// What it said: received and sent.
    reported: (u64, Dropped),
}

impl Losses {
    /// Datagrams that were not read in time.
    pub(super) const fn received(&self) -> u64 {
        self.received
    }

    /// Takes a socket's count of what its full queue has cost; it wraps.
    pub(super) fn count_overflow(&mut self, token: usize, overflow: u32) {
        if self.overflow.len() <= token {
            self.overflow.resize(token + 1, 0);
        }
        let before = std::mem::replace(&mut self.overflow[token], overflow);
        self.received += u64::from(overflow.wrapping_sub(before));
    }

    /// Says at most every [`WARN_EVERY`] what has been lost since the last word; `sent`: what did not go.
    pub(super) fn warn(&mut self, now: Instant, sent: Dropped) {
        let losses = (self.received, sent);
        if losses == self.reported || self.warned.is_some_and(|warned| now < warned + WARN_EVERY) {
            return;
        }
        let (received, before) = self.reported;
        let [retransmissions, video, audio, control] =
            std::array::from_fn(|class| sent.by_class[class] - before.by_class[class]);
        log::warn!(
            "datagrams lost at the sockets: {} not read in time; not sent for a full buffer: {retransmissions} \
             retransmissions, {video} video, {audio} audio, {control} control; {} could not be sent",
            self.received - received,
            sent.failed - before.failed,
        );
        self.reported = losses;
        self.warned = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_count_of_losses_wraps() {
        let mut losses = Losses::default();
        losses.count_overflow(1, u32::MAX - 1);
        losses.count_overflow(0, 5);
        let before = losses.received();
        losses.count_overflow(1, 3);
        assert_eq!(losses.received() - before, 5);
    }
}

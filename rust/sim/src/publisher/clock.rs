//! The clock of a publisher: neither its hour nor its pace is the SFU's.

use std::time::Duration;

use crate::world::World;

/// See the module's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaClock {
    /// Against the SFU's wall clock when the world begins.
    pub ahead: Duration,
    /// So many millionths faster than real time.
    pub drift_ppm: u32,
}

impl MediaClock {
    /// The SFU's own.
    pub const EXACT: Self = Self { ahead: Duration::ZERO, drift_ppm: 0 };

    /// How much it advances in so much real time.
    pub fn passed(self, real: Duration) -> Duration {
        real + self.made_up(real)
    }

    /// What it shows now.
    pub fn unix(self, world: &World) -> Duration {
        world.unix() + self.made_up(world.elapsed()) + self.ahead
    }

    fn made_up(self, real: Duration) -> Duration {
        Duration::from_nanos((real.as_nanos() * u128::from(self.drift_ppm) / 1_000_000) as u64)
    }
}

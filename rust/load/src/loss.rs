//! Loss on the way between the peers and the server, decided by seeded dice.

use sfu_transport::Random;

/// Shares of datagrams that are lost, from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Loss {
    /// From the peers to the server.
    pub up: f64,
    /// From the server to the peers.
    pub down: f64,
}

impl Loss {
    /// The same share in both directions.
    pub const fn both_ways(share: f64) -> Self {
        Self { up: share, down: share }
    }
}

/// The way of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

/// Throws the dice.
#[derive(Debug)]
pub(crate) struct Dice {
    random: Random,
    loss: Loss,
}

impl Dice {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { random: Random::new(seed), loss: Loss::default() }
    }

    pub(crate) fn set_loss(&mut self, loss: Loss) {
        self.loss = loss;
    }

    /// Whether the next datagram is lost.
    pub(crate) fn loses(&mut self, way: Way) -> bool {
        let share = match way {
            Way::Up => self.loss.up,
            Way::Down => self.loss.down,
        };
        share > 0.0 && f64::from(self.random.u32()) < share * f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_loses_its_share() {
        let mut dice = Dice::new([7; 32]);
        dice.set_loss(Loss { up: 0.01, down: 0.0 });
        let mut lost = |way| (0..100_000).filter(|_| dice.loses(way)).count();
        assert!((900..1100).contains(&lost(Way::Up)));
        assert_eq!(lost(Way::Down), 0);
    }

    #[test]
    fn the_same_seed_loses_the_same() {
        let throw = || {
            let mut dice = Dice::new([1; 32]);
            dice.set_loss(Loss::both_ways(0.5));
            (0..64).map(|_| dice.loses(Way::Down)).collect::<Vec<_>>()
        };
        assert_eq!(throw(), throw());
    }
}

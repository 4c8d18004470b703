//! Loss on the way between the peers and the server, decided by seeded dice.
//!
//! Never two packets of one stream in a row: a server sends a packet again three times at most, so with dice alone one packet in
//! 10^8 stays lost at 1 %, and "every packet arrives" could not be asked of a large room.

use std::collections::BTreeSet;

use sfu_transport::{DatagramKind, Random, classify};
use sfu_wire::Ssrc;
use sfu_wire::rtp::RtpPeek;

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

/// Streams of one way of one peer whose last packet was lost. SRTP leaves the header in the clear, so they can be told apart.
#[derive(Debug, Default)]
pub(crate) struct JustLost(BTreeSet<Ssrc>);

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

    /// Whether this datagram is lost.
    pub(crate) fn loses(&mut self, way: Way, datagram: &[u8], just_lost: &mut JustLost) -> bool {
        let share = match way {
            Way::Up => self.loss.up,
            Way::Down => self.loss.down,
        };
        if share <= 0.0 {
            return false;
        }
        let lost = f64::from(self.random.u32()) < share * f64::from(u32::MAX);
        let media = classify(datagram) == DatagramKind::Rtp;
        let Some(header) = RtpPeek::parse(datagram).ok().filter(|_| media) else { return lost };
        let spared = just_lost.0.remove(&header.ssrc);
        lost && !spared && just_lost.0.insert(header.ssrc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK: [u8; 20] = [0; 20];

    fn rtp(ssrc: u8) -> [u8; 15] {
        [0x80, 111, 0, 1, 0, 0, 0, 0, 0, 0, 0, ssrc, 1, 2, 3]
    }

    fn dice(loss: Loss) -> Dice {
        let mut dice = Dice::new([7; 32]);
        dice.set_loss(loss);
        dice
    }

    #[test]
    fn each_way_loses_its_share() {
        let mut dice = dice(Loss { up: 0.01, down: 0.0 });
        let mut lost = |way, datagram: &[u8]| {
            let mut just_lost = JustLost::default();
            (0..100_000).filter(|_| dice.loses(way, datagram, &mut just_lost)).count()
        };
        for datagram in [&CHECK[..], &rtp(1), &[]] {
            assert!((900..1100).contains(&lost(Way::Up, datagram)));
            assert_eq!(lost(Way::Down, datagram), 0);
        }
    }

    #[test]
    fn of_one_stream_never_two_in_a_row_are_lost() {
        let (mut dice, mut just_lost) = (dice(Loss::both_ways(0.5)), JustLost::default());
        let throws: Vec<[bool; 2]> =
            (0..1000).map(|_| [1, 2].map(|ssrc| dice.loses(Way::Down, &rtp(ssrc), &mut just_lost))).collect();
        for stream in [0, 1] {
            assert!(throws.windows(2).all(|pair| !(pair[0][stream] && pair[1][stream])));
            let lost = throws.iter().filter(|lost| lost[stream]).count();
            assert!((280..390).contains(&lost), "half of those that may be: a third: {lost}");
        }
        assert!(throws.contains(&[true, true]), "streams are lost independently");
        let checks = (0..1000).map(|_| dice.loses(Way::Down, &CHECK, &mut just_lost)).collect::<Vec<_>>();
        assert!(checks.windows(2).any(|pair| pair == [true, true]), "only media is spared");
    }

    #[test]
    fn the_same_seed_loses_the_same() {
        let throw = || {
            let (mut dice, mut just_lost) = (dice(Loss::both_ways(0.5)), JustLost::default());
            (0..64).map(|_| dice.loses(Way::Down, &CHECK, &mut just_lost)).collect::<Vec<_>>()
        };
        assert_eq!(throw(), throw());
    }
}

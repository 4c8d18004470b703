//! Answers that several shards give together: statistics of a server and of a room.
//!
//! Every shard answers under the same ticket, the application gets one reply. Invariant: a shard that does not turn holds
//! nobody up: its last word stands in for it, with the stall that it is in.

use std::time::Duration;

use sfu_core::command::Reply;
use sfu_core::stats::SfuStats;

use crate::error::CommandFailure;
use crate::ticket::Ticket;

type Answer = Result<Reply, CommandFailure>;

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Gatherings {
    open: Vec<Gathering>,
    /// What each shard said of itself last.
    last: Vec<Option<SfuStats>>,
}

#[derive(Debug)]
struct Gathering {
    ticket: Ticket,
    missing: usize,
    so_far: Option<Answer>,
}

impl Gatherings {
    /// So many shards will answer under `ticket`.
    pub(crate) fn expect(&mut self, ticket: Ticket, answers: usize) {
        self.open.push(Gathering { ticket, missing: answers, so_far: None });
    }

    /// A shard is in a stall and was not asked for its statistics.
    pub(crate) fn stand_in(&self, shard: u16, stall: Duration) -> SfuStats {
        let last = self.last.get(usize::from(shard)).cloned().flatten();
        let mut stats = last.unwrap_or_default();
        stats.shards.resize_with(1, Default::default);
        for own in &mut stats.shards {
            (own.shard, own.stall) = (shard, own.stall.max(stall));
        }
        stats
    }

    /// A shard has answered; gives the reply when it is the last of its ticket.
    pub(crate) fn answer(&mut self, ticket: Ticket, answer: Answer) -> Option<Answer> {
        let Some(index) = self.open.iter().position(|gathering| gathering.ticket == ticket) else {
            return Some(answer);
        };
        self.remember(&answer);
        let gathering = &mut self.open[index];
        gathering.so_far = Some(match gathering.so_far.take() {
            None => answer,
            Some(before) => join(before, answer),
        });
        gathering.missing -= 1;
        if gathering.missing > 0 { None } else { self.open.swap_remove(index).so_far }
    }

    fn remember(&mut self, answer: &Answer) {
        if let Ok(Reply::SfuStats(stats)) = answer
            && let [shard] = stats.shards[..].as_ref()
        {
            let index = usize::from(shard.shard);
            self.last.resize_with(self.last.len().max(index + 1), || None);
            self.last[index] = Some((**stats).clone());
        }
    }
}

/// Puts two answers together. Of a room that lives on some shards only, the others say that it is closed.
fn join(one: Answer, other: Answer) -> Answer {
    match (one, other) {
        (Ok(Reply::SfuStats(mut one)), Ok(Reply::SfuStats(other))) => {
            one.add(&other);
            Ok(Reply::SfuStats(one))
        }
        (Ok(Reply::RoomStats(mut one)), Ok(Reply::RoomStats(other))) => {
            one.sessions.extend(other.sessions);
            one.sessions.sort_by_key(|session| session.session);
            Ok(Reply::RoomStats(one))
        }
        (Err(CommandFailure::Refused(_)), other) => other,
        (one, Err(CommandFailure::Refused(_))) => one,
        (_, Err(crashed)) => Err(crashed),
        (one, _) => one,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use sfu_core::command::CommandError;
    use sfu_core::id::{RoomId, SessionId};
    use sfu_core::stats::{RoomStats, SessionStats, ShardStats};

    use super::*;

    const TICKET: Ticket = Ticket::new(1);

    fn stats(shard: u16, sessions: u64) -> SfuStats {
        let own = ShardStats { shard, sessions, ..ShardStats::default() };
        SfuStats { sessions, runs: vec![1; usize::from(shard)], shards: vec![own], ..SfuStats::default() }
    }

    #[expect(clippy::unnecessary_wraps, reason = "stands for a shard's answer")]
    fn room(sessions: &[u64]) -> Answer {
        let session = |id: &u64| SessionStats {
            session: SessionId::new(*id),
            age: Duration::ZERO,
            transports: Vec::new(),
            tracks: Vec::new(),
            subscriptions: Vec::new(),
        };
        let sessions = sessions.iter().map(session).collect();
        Ok(Reply::RoomStats(Box::new(RoomStats { room: RoomId::new(1), sessions })))
    }

    fn all(answers: Vec<Answer>) -> Answer {
        let mut gatherings = Gatherings::default();
        gatherings.expect(TICKET, answers.len());
        let mut replies: Vec<_> = answers.into_iter().map(|answer| gatherings.answer(TICKET, answer)).collect();
        let last = replies.pop().unwrap();
        assert!(replies.iter().all(Option::is_none), "only the last makes it whole");
        last.unwrap()
    }

    #[test]
    fn the_shards_statistics_are_added_and_told_one_by_one() {
        let answers = [stats(2, 5), stats(0, 1), stats(1, 3)].map(|stats| Ok(Reply::SfuStats(Box::new(stats))));
        let Ok(Reply::SfuStats(sum)) = all(answers.into()) else { panic!() };
        assert_eq!((sum.sessions, sum.runs), (9, vec![2, 1]));
        assert_eq!(
            sum.shards.iter().map(|shard| (shard.shard, shard.sessions)).collect::<Vec<_>>(),
            [(0, 1), (1, 3), (2, 5)]
        );
    }

    #[test]
    fn a_rooms_sessions_come_from_where_they_are() {
        let closed = || Err(CommandFailure::Refused(CommandError::RoomClosed));
        let Ok(Reply::RoomStats(stats)) = all(vec![closed(), room(&[7, 9]), closed(), room(&[3])]) else { panic!() };
        assert_eq!(stats.sessions.iter().map(|session| session.session.get()).collect::<Vec<_>>(), [3, 7, 9]);
        assert!(matches!(all(vec![closed(), closed()]), Err(CommandFailure::Refused(CommandError::RoomClosed))));
        assert!(matches!(all(vec![room(&[1]), Err(CommandFailure::Crashed), closed()]), Err(CommandFailure::Crashed)));
    }

    #[test]
    fn a_stalled_shard_is_told_of_by_its_last_word() {
        let mut gatherings = Gatherings::default();
        gatherings.expect(TICKET, 2);
        for stats in [stats(0, 1), stats(1, 3)] {
            gatherings.answer(TICKET, Ok(Reply::SfuStats(Box::new(stats))));
        }
        let stall = Duration::from_secs(7);
        let known = gatherings.stand_in(1, stall);
        assert_eq!((known.sessions, known.shards[0].shard, known.shards[0].stall), (3, 1, stall));
        let unknown = gatherings.stand_in(5, stall);
        assert_eq!((unknown.sessions, unknown.shards[0].shard, unknown.shards[0].stall), (0, 5, stall));
    }

    #[test]
    fn other_answers_pass() {
        let mut gatherings = Gatherings::default();
        gatherings.expect(TICKET, 2);
        assert!(matches!(gatherings.answer(Ticket::new(2), Ok(Reply::Done)), Some(Ok(Reply::Done))));
    }
}

//! A track on its way to one other shard, at the shard of its publisher: what was sent under which number, and what is needed there.

use sfu_wire::SeqNo;

use super::wants::Wants;

/// So many of the last packets are found again. Higher: memory for each track and shard. Lower: what a busy shard missed is lost. Half a
/// second of three encodings.
const REMEMBERED: usize = 1024;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Outlet {
    pub(crate) shard: u16,
    pub(crate) wants: Wants,
    next: SeqNo,
    /// Encoding and number, by the relay's number.
    sent: Box<[(u8, SeqNo)]>,
}

/// Those of one track: few, and usually none.
pub(crate) type Outlets = Vec<Outlet>;

impl Outlet {
    pub(crate) fn new(shard: u16) -> Self {
        let sent = vec![(0, SeqNo::new(0)); REMEMBERED].into_boxed_slice();
        Self { shard, wants: Wants::default(), next: SeqNo::new(1), sent }
    }

    /// The relay's number for a packet.
    pub(crate) fn number(&mut self, encoding: u8, seq: SeqNo) -> SeqNo {
        let counter = self.next;
        self.next = counter.next();
        self.sent[place(counter)] = (encoding, seq);
        counter
    }

    /// The packet that went under a number, as long as it is remembered.
    pub(crate) fn find(&self, counter: SeqNo) -> Option<(u8, SeqNo)> {
        let age = self.next.since(counter);
        (1..=REMEMBERED as i64).contains(&age).then(|| self.sent[place(counter)])
    }
}

const fn place(counter: SeqNo) -> usize {
    counter.get() as usize % REMEMBERED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_lately_is_found_by_its_number() {
        let mut outlet = Outlet::new(1);
        for seq in 0..3000_u64 {
            assert_eq!(outlet.number((seq % 3) as u8, SeqNo::new(seq + 7)), SeqNo::new(seq + 1));
        }
        assert_eq!(outlet.find(SeqNo::new(3000)), Some((2, SeqNo::new(3006))));
        assert_eq!(outlet.find(SeqNo::new(3001 - 1024)), Some((2, SeqNo::new(1983))));
        assert_eq!(outlet.find(SeqNo::new(3001 - 1025)), None);
        assert_eq!(outlet.find(SeqNo::new(3001)), None, "it was not sent yet");
    }
}

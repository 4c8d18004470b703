//! In which form an audio packet leaves: as it came, as one frame out of its RED payload, or as RED of the SFU's own making.

use sfu_wire::payload::red::{RedBlock, RedPayload, write};
use sfu_wire::{Pt, SeqNo};

use crate::codec::CodecName;
use crate::layer::{Dependencies, Packet};
use crate::rewrite::Form;
use crate::stream::History;

/// A RED payload stays below the usual MTU with room for what is around it.
pub(crate) const MAX_RED: usize = 1100;
/// So many earlier frames can be told apart; browsers send one or two.
pub(super) const MAX_BACK: usize = 8;
/// The limits of a redundant block (RFC 2198 §3): ten bits of length, fourteen of time.
const MAX_BLOCK: usize = 0x3ff;
const MAX_OFFSET: u64 = 0x3fff;

/// What a subscriber's formats make of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// It goes as it came.
    Whole,
    /// RED came, and Opus alone is taken.
    Frame,
    /// RED is taken; its frames have this payload type there.
    Red(Pt),
}

/// A packet, and where earlier ones are found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Material<'a> {
    pub(crate) packet: Packet<'a>,
    pub(crate) history: &'a History,
}

impl<'a> Material<'a> {
    /// The form for one subscriber: of its earlier frames a RED packet keeps those that are no older than what the subscriber's
    /// run began with (`precedes`), and Opus gets up to `redundancy` of them.
    pub(crate) fn red(&self, opus: Pt, redundancy: u8, precedes: impl Fn(SeqNo) -> bool) -> Form {
        let wanted = |back: &u64| self.earlier_seq(*back).is_some_and(|seq| !precedes(seq));
        if self.packet.codec != CodecName::Red {
            // What is too long for RED stays Opus.
            let Some(mut room) = MAX_RED.checked_sub(self.packet.payload.len() + 1) else { return Form::Whole };
            let fits = |back: &u64| {
                let Some(block) = self.stored_frame(*back, opus) else { return false };
                let len = block.data.len() + 4;
                let fits = len <= room;
                room -= if fits { len } else { 0 };
                fits
            };
            let most = u64::from(redundancy).min(MAX_BACK as u64);
            return Form::Red(mask((1..=most).filter(wanted).filter(fits)));
        }
        let Ok(red) = RedPayload::parse(self.packet.payload) else { return Form::Whole };
        let count = red.blocks().count().saturating_sub(1) as u64;
        let keeps_all = (1..=count).all(|back| wanted(&back));
        if keeps_all && red.blocks().all(|block| block.pt == opus) {
            return Form::Whole;
        }
        if self.packet.payload.len() > MAX_RED {
            // It would not fit where it is put together anew; its own frame does.
            return Form::Frame(0);
        }
        Form::Red(mask((1..=count.min(MAX_BACK as u64)).filter(wanted)))
    }

    /// The payload in that form, `buffer` being where RED is put together. `None`: what it was made of is gone.
    pub(crate) fn payload(&self, form: Form, opus: Option<Pt>, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
        match form {
            Form::Whole => Some(self.packet.payload),
            Form::Frame(back) => Some(self.red_frame(u64::from(back))?.data),
            Form::Red(earlier) => {
                let opus = opus?;
                let nothing = RedBlock { pt: opus, timestamp_offset: 0, primary: false, data: &[] };
                let mut blocks = [nothing; MAX_BACK + 1];
                let mut count = 0;
                for back in (0..=MAX_BACK as u64).rev() {
                    if back == 0 || earlier >> (back - 1) & 1 == 1 {
                        blocks[count] = RedBlock { pt: opus, ..self.frame(back, opus)? };
                        count += 1;
                    }
                }
                let len = write(&blocks[..count], buffer)?;
                Some(&buffer[..len])
            }
        }
    }

    /// The frame that is so many before the new one.
    fn frame(&self, back: u64, opus: Pt) -> Option<RedBlock<'a>> {
        match (self.packet.codec, back) {
            (CodecName::Red, _) => self.red_frame(back),
            (_, 0) => Some(RedBlock { pt: opus, timestamp_offset: 0, primary: true, data: self.packet.payload }),
            _ => self.stored_frame(back, opus),
        }
    }

    fn red_frame(&self, back: u64) -> Option<RedBlock<'a>> {
        let red = RedPayload::parse(self.packet.payload).ok()?;
        let place = red.blocks().count().checked_sub(back as usize + 1)?;
        red.blocks().nth(place)
    }

    /// A packet of its own that came earlier.
    fn stored_frame(&self, back: u64, opus: Pt) -> Option<RedBlock<'a>> {
        let seq = self.earlier_seq(back)?;
        let earlier = self.history.get(seq)?.packet(seq, Dependencies::None);
        let offset = self.packet.timestamp.checked_sub(earlier.timestamp).filter(|offset| *offset <= MAX_OFFSET)?;
        let alike = earlier.codec == self.packet.codec && offset > 0;
        let fits = (1..=MAX_BLOCK).contains(&earlier.payload.len());
        let data = Some(earlier.payload).filter(|_| alike && fits)?;
        Some(RedBlock { pt: opus, timestamp_offset: offset as u16, primary: false, data })
    }

    fn earlier_seq(&self, back: u64) -> Option<SeqNo> {
        self.packet.seq.get().checked_sub(back).map(SeqNo::new)
    }
}

/// Whether a RED payload can be read and brings a frame of its own.
pub(crate) fn has_frame(red: &[u8]) -> bool {
    RedPayload::parse(red).is_ok_and(|red| red.primary().is_some_and(|block| !block.data.is_empty()))
}

fn mask(backs: impl Iterator<Item = u64>) -> u8 {
    backs.fold(0, |mask, back| mask | 1 << (back - 1))
}

#[cfg(test)]
mod tests;

//! VP9 (RFC 9628 §4.2): the picture id and TL0PICIDX of one subscriber.
//!
//! Both go on by one at a switch. A dropped picture keeps its id: `P_DIFF` and the group of pictures count in picture ids, so
//! closing them would point at wrong references. Picture ids leave with 15 bits whatever came.

use sfu_wire::payload::{PictureId, Vp9Descriptor};

use super::patch::Head;

/// The outgoing numbers of the newest picture.
#[derive(Debug, Clone, Copy, Default)]
struct Numbers {
    picture: i64,
    tl0: u8,
}

/// See the module's text.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Vp9Rewriter {
    sent: Option<Numbers>,
    /// Outgoing minus incoming, for the current run.
    picture_shift: i64,
    tl0_shift: u8,
}

impl Vp9Rewriter {
    /// Goes on with the keyframe `descriptor` belongs to.
    pub(crate) fn switch(&mut self, descriptor: &Vp9Descriptor, picture: i64) {
        let tl0 = descriptor.tl0_pic_idx.unwrap_or(0);
        if let Some(sent) = self.sent {
            self.picture_shift = sent.picture + 1 - picture;
            self.tl0_shift = sent.tl0.wrapping_add(1).wrapping_sub(tl0);
        } else {
            (self.picture_shift, self.tl0_shift) = (0, 0);
        }
    }

    /// Writes the numbers of a packet of picture `picture`. `newest` says that no later picture went out yet.
    pub(crate) fn rewrite(&mut self, descriptor: &Vp9Descriptor, picture: i64, newest: bool) -> Head {
        let numbers = Numbers {
            picture: picture + self.picture_shift,
            tl0: descriptor.tl0_pic_idx.unwrap_or(0).wrapping_add(self.tl0_shift),
        };
        if newest {
            self.sent = Some(numbers);
        }
        let written = Vp9Descriptor {
            picture_id: Some(PictureId::long(numbers.picture as u16)),
            tl0_pic_idx: descriptor.tl0_pic_idx.map(|_| numbers.tl0),
            ..*descriptor
        };
        let mut bytes = [0; Head::MAX_LEN];
        let len = written.write_prefix(&mut bytes).expect("it is no longer than the longest");
        Head::new(descriptor.prefix_len(), bytes, len)
    }
}

#[cfg(test)]
mod tests {
    use sfu_wire::SeqNo;

    use super::*;
    use crate::rewrite::Patch;

    fn written(rewriter: &mut Vp9Rewriter, payload: &[u8], picture: i64) -> Vec<u8> {
        let (came, _) = Vp9Descriptor::parse(payload).unwrap();
        let head = rewriter.rewrite(&came, picture, true);
        let patch = Patch { head, ..Patch::new(SeqNo::new(1), 0, false) };
        let (prefix, rest) = patch.apply(payload);
        [prefix, rest].concat()
    }

    #[test]
    fn both_numbers_go_on_by_one_at_a_switch() {
        let mut rewriter = Vp9Rewriter::default();
        // I L B, picture id, T0 S0, TL0PICIDX, and a byte of the frame.
        let low = [0xa8, 0xff, 0xff, 0x00, 0xff, 0x82];
        rewriter.switch(&Vp9Descriptor::parse(&low).unwrap().0, 0x7fff);
        assert_eq!(written(&mut rewriter, &low, 0x7fff), low);
        let high = [0xa8, 0x80, 0x64, 0x00, 0x07, 0x82];
        rewriter.switch(&Vp9Descriptor::parse(&high).unwrap().0, 100);
        assert_eq!(written(&mut rewriter, &high, 100), [0xa8, 0x80, 0x00, 0x00, 0x00, 0x82]);
    }

    #[test]
    fn references_of_the_flexible_mode_stay() {
        let mut rewriter = Vp9Rewriter::default();
        // I P L F B, 7-bit picture id, T1 U S0, P_DIFF 2.
        let came = [0xf8, 0x05, 0x30, 0x04, 0x82];
        rewriter.switch(&Vp9Descriptor::parse(&came).unwrap().0, 5);
        assert_eq!(written(&mut rewriter, &came, 5), [0xf8, 0x80, 0x05, 0x30, 0x04, 0x82]);
    }
}

//! VP8 (RFC 7741 §4.2): the picture id, TL0PICIDX and KEYIDX of one subscriber.
//!
//! A receiver finds the references of a frame by these numbers, so all three go on by one at a switch. A dropped frame is
//! never of layer 0: it closes a picture id and touches nothing else. Picture ids leave with 15 bits whatever came.

use sfu_wire::payload::{PictureId, Vp8Descriptor};

use super::patch::Head;

/// The outgoing numbers of the newest frame.
#[derive(Debug, Clone, Copy, Default)]
struct Numbers {
    picture: i64,
    tl0: u8,
    key: u8,
}

/// See the module's text.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Vp8Rewriter {
    sent: Option<Numbers>,
    /// Outgoing minus incoming, for the current run.
    picture_shift: i64,
    tl0_shift: u8,
    key_shift: u8,
}

impl Vp8Rewriter {
    /// Goes on with the keyframe `descriptor` belongs to.
    pub(crate) fn switch(&mut self, descriptor: &Vp8Descriptor, picture: i64) {
        let (tl0, key) = (descriptor.tl0_pic_idx.unwrap_or(0), descriptor.key_idx.unwrap_or(0));
        if let Some(sent) = self.sent {
            self.picture_shift = sent.picture + 1 - picture;
            self.tl0_shift = sent.tl0.wrapping_add(1).wrapping_sub(tl0);
            self.key_shift = sent.key.wrapping_add(1).wrapping_sub(key);
        } else {
            (self.picture_shift, self.tl0_shift, self.key_shift) = (0, 0, 0);
        }
    }

    /// Writes the numbers of a packet of picture `picture`, before which `left_out` pictures were dropped.
    /// `newest` says that no later frame went out yet.
    #[inline]
    pub(crate) fn rewrite(
        &mut self,
        descriptor: &Vp8Descriptor,
        (picture, left_out): (i64, u32),
        newest: bool,
    ) -> Head {
        let numbers = Numbers {
            picture: picture + self.picture_shift - i64::from(left_out),
            tl0: descriptor.tl0_pic_idx.unwrap_or(0).wrapping_add(self.tl0_shift),
            key: descriptor.key_idx.unwrap_or(0).wrapping_add(self.key_shift),
        };
        if newest {
            self.sent = Some(numbers);
        }
        let written = Vp8Descriptor {
            picture_id: Some(PictureId::long(numbers.picture as u16)),
            tl0_pic_idx: descriptor.tl0_pic_idx.map(|_| numbers.tl0),
            key_idx: descriptor.key_idx.map(|_| numbers.key & 0x1f),
            ..*descriptor
        };
        let (bytes, len) = written.to_bytes();
        Head::new(descriptor_len(descriptor), bytes, len)
    }
}

/// How many bytes the received descriptor takes, of those with a picture id.
fn descriptor_len(descriptor: &Vp8Descriptor) -> usize {
    let picture_id = descriptor.picture_id.map_or(0, |id| if id.bits() == 7 { 1 } else { 2 });
    let layers = descriptor.temporal.is_some() || descriptor.key_idx.is_some();
    2 + picture_id + usize::from(descriptor.tl0_pic_idx.is_some()) + usize::from(layers)
}

#[cfg(test)]
mod tests {
    use sfu_wire::SeqNo;
    use sfu_wire::payload::vp8::Vp8Temporal;

    use super::*;
    use crate::rewrite::Patch;

    fn descriptor(picture_id: PictureId, tl0: u8, tid: u8, key: u8) -> Vp8Descriptor {
        Vp8Descriptor {
            starts_partition: true,
            picture_id: Some(picture_id),
            tl0_pic_idx: Some(tl0),
            temporal: Some(Vp8Temporal { tid, layer_sync: false }),
            key_idx: Some(key),
            ..Vp8Descriptor::default()
        }
    }

    fn written(rewriter: &mut Vp8Rewriter, came: &Vp8Descriptor, picture: i64, left_out: u32) -> Vp8Descriptor {
        let head = rewriter.rewrite(came, (picture, left_out), true);
        let patch = Patch { head, ..Patch::new(SeqNo::new(1), 0, false) };
        let mut buffer = [0; Vp8Descriptor::MAX_LEN];
        assert_eq!(usize::from(head.strip), came.write(&mut buffer).unwrap());
        Vp8Descriptor::parse(patch.prefix()).unwrap().0
    }

    #[test]
    fn all_three_numbers_go_on_by_one_at_a_switch() {
        let mut rewriter = Vp8Rewriter::default();
        let low = descriptor(PictureId::Long(32_767), 255, 0, 31);
        rewriter.switch(&low, 32_767);
        assert_eq!(written(&mut rewriter, &low, 32_767, 0), low, "the first run keeps its numbers");
        let high = descriptor(PictureId::Long(100), 7, 0, 3);
        rewriter.switch(&high, 100);
        let out = written(&mut rewriter, &high, 100, 0);
        assert_eq!(out, descriptor(PictureId::Long(0), 0, 0, 0));
        let next = descriptor(PictureId::Long(101), 7, 2, 3);
        assert_eq!(written(&mut rewriter, &next, 101, 0), descriptor(PictureId::Long(1), 0, 2, 0));
    }

    #[test]
    fn a_dropped_picture_closes_its_id_and_leaves_tl0picidx_alone() {
        let mut rewriter = Vp8Rewriter::default();
        let first = descriptor(PictureId::Long(10), 5, 0, 1);
        rewriter.switch(&first, 10);
        written(&mut rewriter, &first, 10, 0);
        let third = descriptor(PictureId::Long(12), 6, 0, 1);
        assert_eq!(written(&mut rewriter, &third, 12, 1), descriptor(PictureId::Long(11), 6, 0, 1));
    }

    #[test]
    fn a_short_picture_id_leaves_with_fifteen_bits() {
        let mut rewriter = Vp8Rewriter::default();
        let first = descriptor(PictureId::Short(127), 0, 0, 0);
        rewriter.switch(&first, 127);
        assert_eq!(written(&mut rewriter, &first, 127, 0).picture_id, Some(PictureId::Long(127)));
        let second = descriptor(PictureId::Short(0), 1, 0, 0);
        assert_eq!(written(&mut rewriter, &second, 128, 0).picture_id, Some(PictureId::Long(128)));
    }
}

//! Opus: a packet takes between 2.5 and 120 ms.

use sfu_wire::payload::OpusToc;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(toc) = OpusToc::parse(bytes) else { return };
    assert!((120..=5_760).contains(&toc.ticks()));
    assert_eq!(toc.ticks(), toc.frame_ticks() * u32::from(toc.frames));
    assert_eq!(toc.silent, bytes.len() <= 2);
}

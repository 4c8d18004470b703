//! RED: the blocks that were read write back bit by bit.

use sfu_wire::payload::red::{RedPayload, write};

use crate::views::lies_in;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(red) = RedPayload::parse(bytes) else { return };
    let blocks: Vec<_> = red.blocks().collect();
    assert!(blocks.iter().all(|block| lies_in(block.data, bytes)));
    let (primary, redundant) = blocks.split_last().expect("there is a primary block");
    assert!(primary.primary && redundant.iter().all(|block| !block.primary));
    assert_eq!(red.primary(), Some(*primary));
    let mut buffer = vec![0; bytes.len()];
    assert_eq!(write(&blocks, &mut buffer), Some(bytes.len()));
    assert_eq!(buffer, bytes);
}

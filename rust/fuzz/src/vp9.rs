//! VP9: a descriptor that was read writes and reads the same, with its picture group, and its beginning bit by bit.

use sfu_wire::payload::Vp9Descriptor;
use sfu_wire::payload::vp9::{keyframe_size, picture_group};

use crate::sizes;

pub(crate) fn run(bytes: &[u8]) {
    let group: Vec<_> = picture_group(bytes).collect();
    let Ok((descriptor, len)) = Vp9Descriptor::parse(bytes) else { return };
    sizes::check(keyframe_size, &bytes[len..]);
    assert!((0..len).all(|shorter| Vp9Descriptor::parse(&bytes[..shorter]).is_err()));
    assert_eq!(group.len(), usize::from(descriptor.structure.map_or(0, |structure| structure.pictures)));

    let mut prefix = [0; Vp9Descriptor::MAX_PREFIX];
    let prefix_len = descriptor.write_prefix(&mut prefix).expect("the longest fits");
    assert_eq!(prefix_len, descriptor.prefix_len());
    assert_eq!(prefix[..prefix_len], bytes[..prefix_len]);

    let mut buffer = vec![0; len];
    let written = descriptor.write(&group, &mut buffer).expect("it came from as many bytes");
    assert_eq!(Vp9Descriptor::parse(&buffer[..written]), Ok((descriptor, written)));
    assert!(picture_group(&buffer[..written]).eq(group));
}

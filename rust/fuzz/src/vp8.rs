//! VP8: a descriptor that was read writes and reads the same, and no byte behind it is needed for it.

use sfu_wire::payload::Vp8Descriptor;
use sfu_wire::payload::vp8::keyframe_size;

pub(crate) fn run(bytes: &[u8]) {
    let Ok((descriptor, len)) = Vp8Descriptor::parse(bytes) else { return };
    assert!(len <= Vp8Descriptor::MAX_LEN);
    assert_eq!(Vp8Descriptor::parse(&bytes[..len]), Ok((descriptor, len)));
    assert!((0..len).all(|shorter| Vp8Descriptor::parse(&bytes[..shorter]).is_err()));
    let frame = &bytes[len..];
    if keyframe_size(frame).is_some() && descriptor.starts_frame() {
        assert!(descriptor.starts_keyframe(frame));
    }
    let mut buffer = [0; Vp8Descriptor::MAX_LEN];
    let written = descriptor.write(&mut buffer).expect("the longest fits");
    assert!(written <= len);
    assert_eq!(Vp8Descriptor::parse(&buffer[..written]), Ok((descriptor, written)));
}

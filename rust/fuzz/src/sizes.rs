//! What must hold for the sizes of pictures that payloads tell.

/// A size is one, and what the first half of a payload tells the whole tells too.
pub(crate) fn check(size_of: fn(&[u8]) -> Option<(u16, u16)>, bytes: &[u8]) {
    let size = size_of(bytes);
    assert!(size.is_none_or(|(width, height)| width > 0 && height > 0));
    let half = size_of(&bytes[..bytes.len() / 2]);
    assert!(half.is_none() || half == size);
}

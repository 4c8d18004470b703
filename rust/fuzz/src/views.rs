//! Views never leave the received bytes.

/// Whether `part` lies inside `whole`.
pub(crate) fn lies_in(part: &[u8], whole: &[u8]) -> bool {
    part.is_empty() || {
        let (part, whole) = (part.as_ptr_range(), whole.as_ptr_range());
        whole.start <= part.start && part.end <= whole.end
    }
}

//! What a subscriber gets instead of what came: small enough to be kept for every packet sent, so that a resend is byte-equal.

use sfu_wire::SeqNo;

use super::dependency_descriptor::{DependencyPatch, MAX_LEN};
use super::form::Form;

/// What to write instead of what came: the RTP fields, a prefix in place of the first `strip` payload bytes, and a few fields
/// of the dependency descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patch {
    /// Outgoing, extended.
    pub seq: SeqNo,
    /// Outgoing.
    pub timestamp: u32,
    /// Outgoing.
    pub marker: bool,
    /// So many bytes of the payload are left out.
    pub strip: u8,
    prefix: [u8; Self::MAX_PREFIX],
    prefix_len: u8,
    pub(crate) dependency: DependencyPatch,
    /// What the payload is made of, before anything is stripped from it.
    pub(crate) form: Form,
}

impl Patch {
    /// Six bytes hold a VP8 descriptor with everything in it, five the head of VP9's.
    pub const MAX_PREFIX: usize = 6;

    /// Keeps the payload as it is.
    pub const fn new(seq: SeqNo, timestamp: u32, marker: bool) -> Self {
        let dependency = DependencyPatch::NONE;
        Self {
            seq,
            timestamp,
            marker,
            strip: 0,
            prefix: [0; Self::MAX_PREFIX],
            prefix_len: 0,
            dependency,
            form: Form::Whole,
        }
    }

    /// With the payload in another form.
    pub(crate) const fn in_form(self, form: Form) -> Self {
        Self { form, ..self }
    }

    /// Puts what `write` writes in place of the first `strip` bytes of the payload. Whatever does not fit changes nothing.
    pub(crate) fn replace(&mut self, strip: usize, write: impl FnOnce(&mut [u8]) -> Option<usize>) {
        let mut prefix = [0; Self::MAX_PREFIX];
        if let (Some(len), Ok(strip)) = (write(&mut prefix), u8::try_from(strip)) {
            (self.prefix, self.prefix_len, self.strip) = (prefix, len as u8, strip);
        }
    }

    /// The bytes that stand in place of the stripped ones.
    pub fn prefix(&self) -> &[u8] {
        &self.prefix[..usize::from(self.prefix_len)]
    }

    /// Writes the value of the dependency descriptor as it is sent; gives its length.
    pub fn dependency_descriptor(&self, value: &[u8], buffer: &mut [u8; MAX_LEN]) -> usize {
        self.dependency.apply(value, buffer)
    }

    /// The payload as it is sent, in two pieces.
    pub fn apply<'a>(&'a self, payload: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        (self.prefix(), payload.get(usize::from(self.strip)..).unwrap_or_default())
    }
}

//! What a subscriber gets instead of what came: small enough to be kept for every packet sent, so that a resend is byte-equal.

use sfu_wire::SeqNo;

use super::dependency_descriptor::{DependencyPatch, MAX_LEN};
use super::form::Form;

/// What to write instead of what came: the RTP fields, a head in place of the first payload bytes, and a few fields
/// of the dependency descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patch {
    /// Outgoing, extended.
    pub seq: SeqNo,
    /// Outgoing.
    pub timestamp: u32,
    /// Outgoing.
    pub marker: bool,
    pub(crate) head: Head,
    pub(crate) dependency: DependencyPatch,
    /// What the payload is made of, before anything is stripped from it.
    pub(crate) form: Form,
}

impl Patch {
    /// Keeps the payload as it is.
    pub const fn new(seq: SeqNo, timestamp: u32, marker: bool) -> Self {
        let (head, dependency) = (Head::NONE, DependencyPatch::NONE);
        Self { seq, timestamp, marker, head, dependency, form: Form::Whole }
    }

    /// With the payload in another form.
    pub(crate) const fn in_form(self, form: Form) -> Self {
        Self { form, ..self }
    }

    /// The bytes that stand in place of the stripped ones.
    pub fn prefix(&self) -> &[u8] {
        &self.head.bytes[..usize::from(self.head.len)]
    }

    /// Writes the value of the dependency descriptor as it is sent; gives its length.
    pub fn dependency_descriptor(&self, value: &[u8], buffer: &mut [u8; MAX_LEN]) -> usize {
        self.dependency.apply(value, buffer)
    }

    /// The payload as it is sent, in two pieces.
    pub fn apply<'a>(&'a self, payload: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        (self.prefix(), payload.get(usize::from(self.head.strip)..).unwrap_or_default())
    }
}

/// The head of a payload descriptor with the numbers of one subscriber, in place of the one that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// So many bytes of the payload are left out.
    pub(crate) strip: u8,
    len: u8,
    bytes: [u8; Self::MAX_LEN],
}

impl Head {
    /// Six bytes hold a VP8 descriptor with everything in it, five the head of VP9's.
    pub(crate) const MAX_LEN: usize = 6;

    /// Leaves the payload as it is.
    const NONE: Self = Self { strip: 0, len: 0, bytes: [0; Self::MAX_LEN] };

    /// The first `len` of `bytes` in place of the first `strip` of the payload.
    pub(crate) const fn new(strip: usize, bytes: [u8; Self::MAX_LEN], len: usize) -> Self {
        Self { strip: strip as u8, len: len as u8, bytes }
    }
}

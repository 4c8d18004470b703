//! Bytes that are overwritten when dropped and never printed.

use std::fmt;
use std::hint::black_box;

/// `N` secret bytes.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret<const N: usize>([u8; N]);

impl<const N: usize> Secret<N> {
    /// All zero, to be filled in place: a key that is returned by value leaves copies behind.
    pub(super) const fn zero() -> Self {
        Self([0; N])
    }

    pub(super) fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }

    pub(super) fn as_mut_bytes(&mut self) -> &mut [u8; N] {
        &mut self.0
    }
}

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        self.0.fill(0);
        // Without a reader the compiler may leave out writes to memory that is about to go.
        black_box(&self.0);
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{N} secret bytes>")
    }
}

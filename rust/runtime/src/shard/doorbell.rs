//! Wakes a shard that waits in the kernel's poll; costs one that is awake nothing but a look.
//!
//! Whoever has written for a shard rings. Invariant: what was written before the ring is seen by the shard before it waits:
//! it says that it lies down, then looks once more; the other has written, then looks whether it lies. One of the two
//! sees the other's word, because a fence stands between word and look on both sides.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering, fence};

use crate::sys::Wake;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Doorbell {
    asleep: AtomicBool,
    wake: Wake,
}

impl Doorbell {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { asleep: AtomicBool::new(false), wake: Wake::new()? })
    }

    /// Called after something was written for the shard.
    pub(crate) fn ring(&self) {
        fence(Ordering::SeqCst);
        // Of several that ring at once one writes the eventfd.
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            self.wake.set();
        }
    }

    /// The shard is about to wait; it looks for what was written after this, and waits only if there is nothing.
    pub(crate) fn lie_down(&self) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The shard has waited; whoever rings from now on is seen at the end of the turn.
    pub(crate) fn get_up(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// After it has woken the shard.
    pub(crate) fn reset(&self) {
        self.wake.reset();
    }
}

/// Readable once it was rung for a shard that lay down.
impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::sys::{ring, wait_readable};

    fn is_set(bell: &Doorbell) -> bool {
        wait_readable(bell.as_fd(), Some(Duration::ZERO)).unwrap()
    }

    #[test]
    fn only_a_shard_that_lies_down_is_woken_and_only_once() {
        let bell = Doorbell::new().unwrap();
        bell.ring();
        assert!(!is_set(&bell), "it was awake");
        bell.lie_down();
        bell.ring();
        assert!(is_set(&bell));
        bell.reset();
        bell.ring();
        assert!(!is_set(&bell), "nobody has lain down since");
        bell.lie_down();
        bell.get_up();
        bell.ring();
        assert!(!is_set(&bell));
    }

    #[test]
    fn no_record_is_slept_through() {
        const RECORDS: usize = 5_000;
        let bell = Arc::new(Doorbell::new().unwrap());
        let (mut writer, mut reader) = ring(64);
        let ringing = Arc::clone(&bell);
        let writing = thread::spawn(move || {
            for _ in 0..RECORDS {
                while writer.reserve(8).is_none() {
                    thread::yield_now();
                }
                writer.publish();
                ringing.ring();
            }
        });
        let mut seen = 0;
        while seen < RECORDS {
            bell.lie_down();
            if !reader.look() {
                assert!(wait_readable(bell.as_fd(), Some(Duration::from_secs(10))).unwrap(), "{seen} records came");
                bell.reset();
            }
            bell.get_up();
            reader.look();
            while reader.next().is_some() {
                seen += 1;
            }
            reader.release();
        }
        writing.join().unwrap();
    }
}

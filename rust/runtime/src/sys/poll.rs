//! Waiting for many things at once: epoll(7) and eventfd(2).

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::time::Duration;

use libc::c_int;

/// A file descriptor that can be made readable from any thread.
#[derive(Debug)]
pub struct Wake(File);

impl Wake {
    /// Not readable yet.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers; a result that is not negative is a new descriptor that nobody else owns.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        owned(fd).map(|fd| Self(File::from(fd)))
    }

    /// Makes it readable.
    pub fn set(&self) {
        // The only error is a counter at its limit: it is readable then.
        let _ = (&self.0).write_all(&1_u64.to_ne_bytes());
    }

    /// Makes it unreadable.
    pub fn reset(&self) {
        // The only error is that it was not readable.
        let _ = (&self.0).read_exact(&mut [0; 8]);
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Something can be read.
    Read,
    /// Something can be read or there is room to write.
    ReadWrite,
}

impl Interest {
    const fn events(self) -> c_int {
        match self {
            Self::Read => libc::EPOLLIN,
            Self::ReadWrite => libc::EPOLLIN | libc::EPOLLOUT,
        }
    }
}

/// A level-triggered set of descriptors, each with a token of the caller's.
#[derive(Debug)]
pub(crate) struct Poll(OwnedFd);

/// As many descriptors are reported at once; the others come with the next wait.
const READY_AT_ONCE: usize = 16;

impl Poll {
    /// An empty set.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no pointers; a result that is not negative is a new descriptor that nobody else owns.
        owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }).map(Self)
    }

    /// Adds a descriptor. Closing it takes it out.
    pub(crate) fn add(&self, fd: BorrowedFd<'_>, token: usize, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, interest)
    }

    /// Changes what is waited for.
    pub(crate) fn change(&self, fd: BorrowedFd<'_>, token: usize, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, interest)
    }

    /// Waits for at most `timeout` (`None`: for ever; rounded up to milliseconds) and puts the tokens of what is ready
    /// into `ready`. A signal ends the wait early with nothing ready.
    pub(crate) fn wait(&self, timeout: Option<Duration>, ready: &mut Vec<usize>) -> io::Result<()> {
        ready.clear();
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; READY_AT_ONCE];
        // SAFETY: `events` is writable for `READY_AT_ONCE` events for the time of the call.
        let count = unsafe {
            libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), READY_AT_ONCE as c_int, milliseconds(timeout))
        };
        if count < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) };
        }
        ready.extend(events.iter().take(count as usize).map(|event| event.u64 as usize));
        Ok(())
    }

    fn control(&self, operation: c_int, fd: BorrowedFd<'_>, token: usize, interest: Interest) -> io::Result<()> {
        let mut event = libc::epoll_event { events: interest.events() as u32, u64: token as u64 };
        // SAFETY: both descriptors are open, `event` is live for the time of the call.
        let result = unsafe { libc::epoll_ctl(self.0.as_raw_fd(), operation, fd.as_raw_fd(), &raw mut event) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

/// Waits for one descriptor to become readable, at most `timeout` (`None`: for ever); says whether it is (poll(2)).
pub(crate) fn wait_readable(fd: BorrowedFd<'_>, timeout: Option<Duration>) -> io::Result<bool> {
    let mut entry = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one live entry, and a count of one.
    let count = unsafe { libc::poll(&raw mut entry, 1, milliseconds(timeout)) };
    if count >= 0 {
        return Ok(count > 0);
    }
    let error = io::Error::last_os_error();
    if error.kind() == io::ErrorKind::Interrupted { Ok(false) } else { Err(error) }
}

/// As the kernel wants it: rounded up, -1 for ever.
fn milliseconds(timeout: Option<Duration>) -> c_int {
    timeout.map_or(-1, |time| c_int::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(c_int::MAX))
}

fn owned(fd: c_int) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the callers pass a descriptor that the kernel has just made for them.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_wake_is_ready_until_it_is_reset() {
        let (poll, wake, mut ready) = (Poll::new().unwrap(), Wake::new().unwrap(), Vec::new());
        poll.add(wake.as_fd(), 7, Interest::Read).unwrap();
        poll.wait(Some(Duration::ZERO), &mut ready).unwrap();
        assert!(ready.is_empty());
        wake.set();
        wake.set();
        poll.wait(None, &mut ready).unwrap();
        assert_eq!(ready, [7]);
        wake.reset();
        poll.wait(Some(Duration::ZERO), &mut ready).unwrap();
        assert!(ready.is_empty());
    }
}

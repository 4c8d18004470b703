//! The processor on which a thread runs.

use std::io;
use std::mem;
use std::os::unix::thread::JoinHandleExt as _;
use std::thread::JoinHandle;

/// Keeps a thread on one processor (`pthread_setaffinity_np(3)`).
pub(crate) fn pin<T>(thread: &JoinHandle<T>, processor: usize) -> io::Result<()> {
    if processor >= libc::CPU_SETSIZE as usize {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: a set of processors is plain bits, of which none is set; the number lies within it.
    let set = unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        libc::CPU_SET(processor, &mut set);
        set
    };
    // SAFETY: the handle keeps the thread's number valid, and the kernel only reads the set, whose size is given.
    let error = unsafe { libc::pthread_setaffinity_np(thread.as_pthread_t(), size_of_val(&set), &raw const set) };
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::mpsc;
    use std::{fs, thread};

    use super::*;

    /// What the kernel says of the calling thread: `0-3,7`.
    fn allowed() -> String {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
        line.trim().to_owned()
    }

    #[test]
    fn a_pinned_thread_stays_on_its_processor_and_one_that_is_not_there_is_refused() {
        let list = allowed();
        let last = list.rsplit([',', '-']).next().unwrap();
        let (tell, told) = mpsc::channel();
        let pinned = thread::spawn(move || told.recv().map(|()| allowed()));
        for processor in [libc::CPU_SETSIZE as usize - 1, usize::MAX] {
            assert_eq!(pin(&pinned, processor).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{processor}");
        }
        pin(&pinned, last.parse().unwrap()).unwrap();
        tell.send(()).unwrap();
        assert_eq!(pinned.join().unwrap().unwrap(), last);
    }
}

//! The processor on which a thread runs.

use std::io;
use std::mem;
use std::os::unix::thread::JoinHandleExt as _;
use std::thread::JoinHandle;

/// Keeps a thread on one processor (pthread_setaffinity_np(3)).
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

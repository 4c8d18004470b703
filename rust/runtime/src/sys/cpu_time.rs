//! What a thread has taken of the processors.

use std::mem;
use std::time::Duration;

/// How long the calling thread has run (`CLOCK_THREAD_CPUTIME_ID`).
pub fn thread_cpu_time() -> Duration {
    // SAFETY: plain old data; all zeroes is a time.
    let mut time: libc::timespec = unsafe { mem::zeroed() };
    // SAFETY: `time` is writable for the time of the call. The clock exists on every Linux; where a sandbox forbids it, the
    // time stays zero.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_time() {
        let before = thread_cpu_time();
        while thread_cpu_time() < before + Duration::from_millis(2) {}
    }
}

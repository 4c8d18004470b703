//! What a busy machine gives the two threads of a load test, and a larger share of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Time of a thread on a processor and in line for one, by the kernel's count (`schedstat`, nanoseconds).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    pub(crate) ran: Duration,
    pub(crate) waited: Duration,
}

impl Schedule {
    /// Of the thread on which the peers live.
    pub(crate) fn of_this_thread() -> Self {
        Self::read(Path::new("/proc/thread-self"))
    }

    /// Of the data plane's one thread.
    pub(crate) fn of_server() -> Self {
        let mut tasks = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
        let is_shard =
            |task: &PathBuf| fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with("sfu-shard"));
        Self::read(&tasks.find(is_shard).expect("a shard's thread by its name"))
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self { ran: self.ran.saturating_sub(before.ran), waited: self.waited.saturating_sub(before.waited) }
    }

    fn read(task: &Path) -> Self {
        let text = fs::read_to_string(task.join("schedstat")).unwrap();
        let mut fields = text.split_ascii_whitespace().map(|field| Duration::from_nanos(field.parse().unwrap()));
        Self { ran: fields.next().unwrap(), waited: fields.next().unwrap() }
    }
}

/// A larger share of a busy machine, where the kernel shares it out among sessions and allows it (`sched(7)`, autogroups): sixty
/// thousand packets a second wait for nobody. Given back in the end.
pub(crate) struct Share(());

impl Share {
    pub(crate) fn take() -> Self {
        Self::set("-10");
        Self(())
    }

    fn set(nice: &str) {
        // Not everybody may, and not every kernel does.
        let _ = fs::write("/proc/self/autogroup", nice);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        Self::set("0");
    }
}

//! Records of the `log` crate on their way into an outbox.
//!
//! One logger per process; a shard's thread logs into its own server, any other thread into the server that was started
//! last. Only our crates are heard. Invariant: nothing here waits for the application, and nothing logs while it holds an
//! outbox.

use std::cell::RefCell;
use std::sync::{Arc, Once, PoisonError, RwLock, Weak};

use log::{LevelFilter, Log, Metadata, Record};

use crate::outbox::{LogRecord, Outbox};

/// A server that is heard, while it lives.
#[derive(Clone)]
struct Listener {
    outbox: Weak<Outbox>,
    level: LevelFilter,
}

static FORWARDER: Forwarder = Forwarder;
static LISTENERS: RwLock<Vec<Listener>> = RwLock::new(Vec::new());

thread_local! {
    static OWN: RefCell<Option<Listener>> = const { RefCell::new(None) };
}

/// Lets records of our crates reach `outbox` until it is dropped. An application that has installed its own logger before
/// keeps it.
pub(crate) fn listen(outbox: &Arc<Outbox>, level: LevelFilter) {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let _ = log::set_logger(&FORWARDER);
    });
    let mut listeners = LISTENERS.write().unwrap_or_else(PoisonError::into_inner);
    listeners.push(Listener { outbox: Arc::downgrade(outbox), level });
    settle(&mut listeners);
}

/// Forgets `outbox` and all that are gone.
pub(crate) fn forget(outbox: &Arc<Outbox>) {
    let mut listeners = LISTENERS.write().unwrap_or_else(PoisonError::into_inner);
    listeners.retain(|listener| !std::ptr::eq(listener.outbox.as_ptr(), Arc::as_ptr(outbox)));
    settle(&mut listeners);
}

/// Makes the calling thread log into `outbox`.
pub(crate) fn own(outbox: &Arc<Outbox>, level: LevelFilter) {
    OWN.with(|own| *own.borrow_mut() = Some(Listener { outbox: Arc::downgrade(outbox), level }));
}

fn settle(listeners: &mut Vec<Listener>) {
    listeners.retain(|listener| listener.outbox.strong_count() > 0);
    log::set_max_level(listeners.iter().map(|listener| listener.level).max().unwrap_or(LevelFilter::Off));
}

/// Where a record of this thread goes.
fn listener() -> Option<Listener> {
    let own = OWN.try_with(|own| own.borrow().clone()).ok().flatten();
    // A write lock is held for a moment at the start and the end of a server; better to lose a record than to wait.
    own.or_else(|| LISTENERS.try_read().ok().and_then(|listeners| listeners.last().cloned()))
}

struct Forwarder;

impl Log for Forwarder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        target.starts_with("sfu_") && listener().is_some_and(|listener| metadata.level() <= listener.level)
    }

    fn log(&self, record: &Record<'_>) {
        if !record.target().starts_with("sfu_") {
            return;
        }
        let Some(listener) = listener().filter(|listener| record.level() <= listener.level) else {
            return;
        };
        if let Some(outbox) = listener.outbox.upgrade() {
            outbox.log(LogRecord {
                level: record.level(),
                target: record.target().to_owned(),
                message: record.args().to_string(),
            });
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::thread;

    use super::*;
    use crate::outbox::Drained;

    #[test]
    fn a_thread_logs_into_its_own_server_and_by_its_level() {
        let (one, two) = (Arc::new(Outbox::new(1).unwrap()), Arc::new(Outbox::new(1).unwrap()));
        listen(&one, LevelFilter::Debug);
        listen(&two, LevelFilter::Warn);
        let mine = Arc::clone(&one);
        thread::spawn(move || {
            own(&mine, LevelFilter::Debug);
            log::debug!(target: "sfu_test", "for one");
            log::trace!(target: "sfu_test", "too fine");
            log::warn!(target: "another_crate", "not ours");
        })
        .join()
        .unwrap();

        let mut drained = Drained::default();
        one.drain(&mut drained);
        assert_eq!(drained.logs.len(), 1);
        assert_eq!((drained.logs[0].target.as_str(), drained.logs[0].message.as_str()), ("sfu_test", "for one"));
        two.drain(&mut drained);
        assert!(drained.logs.iter().all(|record| record.message != "for one"));
        forget(&one);
        forget(&two);
    }
}

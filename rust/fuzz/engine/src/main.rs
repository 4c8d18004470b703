//! Hands what libFuzzer comes up with to one target of `sfu-fuzz`, named by the environment variable `FUZZ_TARGET`.

#![no_main]

use std::sync::OnceLock;

static RUN: OnceLock<fn(&[u8])> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        let target = sfu_fuzz::target(&name).unwrap_or_else(|| {
            let names: Vec<_> = sfu_fuzz::TARGETS.iter().map(|target| target.name).collect();
            panic!("FUZZ_TARGET is {name:?}; it may be one of {}", names.join(" "));
        });
        let _ = RUN.set(target.run);
    },
    |bytes: &[u8]| {
        if let Some(run) = RUN.get() {
            run(bytes);
        }
    }
);

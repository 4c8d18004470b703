//! What a machine lacks, in tests: passed over at a desk, a failure where `CI` says that everything is there.

/// Says why the calling test ends early. Panics where `CI` is set, as `tests/skips.py` does for the Python tests.
pub(crate) fn skip(reason: &str) {
    let ci = std::env::var("CI").unwrap_or_default().to_lowercase();
    assert!(["", "0", "false", "no"].contains(&ci.as_str()), "{reason}; with CI set nothing may be missing");
    eprintln!("skipped: {reason}");
}

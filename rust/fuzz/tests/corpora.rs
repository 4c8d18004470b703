//! Replays every target's corpus, and mutations of it that are the same on every run.

use std::fs;
use std::path::PathBuf;

use sfu_fuzz::{TARGETS, Target};

/// Mutations of each file.
const MUTATIONS: usize = 200;
/// Mutations of each file of a target whose runs take long.
const FEW_MUTATIONS: usize = 10;

fn corpus(target: Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    assert!(files.len() >= 5, "{} has seeds", folder.display());
    files.into_iter().map(|path| (path.clone(), fs::read(path).expect("a readable file"))).collect()
}

#[test]
fn corpora_hold() {
    for target in TARGETS {
        (target.run)(&[]);
        for (path, bytes) in corpus(target) {
            println!("{}", path.display());
            (target.run)(&bytes);
            for cut in 0..bytes.len().min(64) {
                (target.run)(&bytes[..cut]);
            }
        }
    }
}

#[test]
fn mutations_of_the_corpora_hold() {
    for target in TARGETS {
        let seeds = corpus(target);
        let mutations = if matches!(target.name, "sdp" | "session" | "relay") { FEW_MUTATIONS } else { MUTATIONS };
        let mut random = Random(0x5eed_0001);
        for (path, bytes) in &seeds {
            println!("{}", path.display());
            for _ in 0..mutations {
                let (_, other) = &seeds[random.below(seeds.len())];
                (target.run)(&random.mutated(bytes, other));
            }
        }
    }
}

#[test]
fn names_lead_to_targets() {
    for target in TARGETS {
        assert_eq!(sfu_fuzz::target(target.name).map(|found| found.name), Some(target.name));
    }
    assert!(sfu_fuzz::target("nothing").is_none());
}

/// Xorshift: the same on every run and machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// `bytes` with a few bits, bytes or lengths changed, cut, or continued with a piece of `other`.
    fn mutated(&mut self, bytes: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(6) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                1 if !bytes.is_empty() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][self.below(5)],
                2 if !bytes.is_empty() => bytes[at] = self.next() as u8,
                3 => bytes.truncate(at),
                4 => bytes.insert(at, self.next() as u8),
                _ => {
                    bytes.truncate(at);
                    bytes.extend(&other[self.below(other.len())..]);
                }
            }
        }
        bytes
    }
}

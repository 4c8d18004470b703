//! Structures of the specification's examples and of a browser, for the tests.

use super::{FrameDependencies, Structure};

fn row(spatial: u8, temporal: u8, dtis: &str, frame_diffs: &[u16], chain_diffs: &[u8]) -> FrameDependencies {
    FrameDependencies::new(spatial, temporal, dtis, frame_diffs, chain_diffs).unwrap()
}

/// One spatial layer, two temporal ones, one chain.
pub(super) fn l1t2() -> Structure {
    let rows = vec![row(0, 0, "SS", &[], &[0]), row(0, 0, "SS", &[2], &[2]), row(0, 1, "D-", &[1], &[1])];
    Structure::new(0, 1, &[Some(0), Some(0)], rows, Vec::new()).unwrap()
}

/// §A.10: full SVC, three spatial and three temporal layers.
pub(super) fn l3t3() -> Structure {
    let rows = vec![
        row(0, 0, "SSSSSSSSS", &[], &[0, 0, 0]),
        row(0, 0, "RRRRRRSSS", &[12], &[12, 11, 10]),
        row(0, 1, "RR-RR-SD-", &[6], &[6, 5, 4]),
        row(0, 2, "R--R--D--", &[3], &[3, 2, 1]),
        row(0, 2, "R--R--D--", &[3], &[9, 8, 7]),
        row(1, 0, "SSSSSS---", &[1], &[1, 1, 1]),
        row(1, 0, "RRRSSS---", &[12, 1], &[1, 1, 1]),
        row(1, 1, "RR-SD----", &[6, 1], &[7, 6, 5]),
        row(1, 2, "R--D-----", &[3, 1], &[4, 3, 2]),
        row(1, 2, "R--D-----", &[3, 1], &[10, 9, 8]),
        row(2, 0, "SSS------", &[1], &[2, 1, 1]),
        row(2, 0, "SSS------", &[12, 1], &[2, 1, 1]),
        row(2, 1, "SD-------", &[6, 1], &[8, 7, 6]),
        row(2, 2, "D--------", &[3, 1], &[5, 4, 3]),
        row(2, 2, "D--------", &[3, 1], &[11, 10, 9]),
    ];
    let chains = [2, 2, 2, 1, 1, 1, 0, 0, 0].map(Some);
    Structure::new(0, 3, &chains, rows, Vec::new()).unwrap()
}

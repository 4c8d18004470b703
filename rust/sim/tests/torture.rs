//! Ten thousand changes of mind for every structure; `sfu torture` does millions of them.

use std::time::Instant;

use sfu_sim::torture::{Codec, Torture, run};

/// `known`: so much the SFU still gets wrong under this seed, of all kinds together. To be lowered, never raised.
fn torture(codec: Codec, known: u64) {
    let verdict = run(Instant::now(), Torture { codec, switches: 10_000, seed: 1 }).expect("the SFU forwards it");
    let problems: Vec<String> = verdict.problems.iter().map(ToString::to_string).collect();
    let errors = verdict.errors();
    assert!(errors <= known, "{errors} errors in {} frames: {problems:#?}", verdict.frames_forwarded);
    assert_eq!((verdict.reused_sequence_numbers, verdict.timestamps_backwards), (0, 0), "{problems:#?}");
    assert_eq!((verdict.nacks_never_sent, verdict.gap_errors), (0, 0), "{problems:#?}");
    let (switches, applied) = (verdict.switches, verdict.switches_applied);
    assert!(switches >= 10_000 && applied * 2 >= switches, "{applied} of {switches} were applied");
    assert!(verdict.frames_forwarded > 10 * switches, "{} frames", verdict.frames_forwarded);
}

macro_rules! structures {
    ($($name:ident: $codec:ident, $known:literal;)*) => {
        $(
            #[test]
            fn $name() {
                torture(Codec::$codec, $known);
            }
        )*
    };
}

structures! {
    vp8: Vp8, 0;
    vp9: Vp9, 0;
    vp9_flexible: Vp9Flex, 0;
    vp9_k_svc: Vp9Ksvc, 0;
    av1_l1t2: Av1L1t2, 0;
    av1_l3t3: Av1L3t3, 0;
    av1_l3t3_key: Av1L3t3Key, 0;
    av1_s3t3: Av1S3t3, 0;
    h264: H264, 0;
    h265: H265, 0;
}

//! Ten thousand changes of mind for every structure; `sfu torture` does millions of them.

use std::time::Instant;

use sfu_sim::torture::{Codec, Torture, run};

fn torture(codec: Codec) {
    let verdict = run(Instant::now(), Torture { codec, switches: 10_000, seed: 1 }).expect("the SFU forwards it");
    let problems: Vec<String> = verdict.problems.iter().map(ToString::to_string).collect();
    assert_eq!(verdict.errors(), 0, "{} of {} frames: {problems:#?}", verdict.errors(), verdict.frames_forwarded);
    let (switches, applied) = (verdict.switches, verdict.switches_applied);
    assert!(switches >= 10_000 && applied * 2 >= switches, "{applied} of {switches} were applied");
    assert!(verdict.frames_forwarded > 20 * switches / 2, "{verdict:?}");
}

macro_rules! structures {
    ($($name:ident: $codec:ident,)*) => {
        $(
            #[test]
            fn $name() {
                torture(Codec::$codec);
            }
        )*
    };
}

structures! {
    vp8: Vp8,
    vp9: Vp9,
    vp9_flexible: Vp9Flex,
    vp9_k_svc: Vp9Ksvc,
    av1_l1t2: Av1L1t2,
    av1_l3t3: Av1L3t3,
    av1_l3t3_key: Av1L3t3Key,
    av1_s3t3: Av1S3t3,
    h264: H264,
    h265: H265,
}

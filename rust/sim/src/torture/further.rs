//! Structures beyond those that have a name on the command line: the other modes of `scalabilityMode` (W3C webrtc-svc §6), and
//! every codec with the dependency descriptor beside its payload.

use crate::encoder::{InterLayer, Payload, Structure};

/// Modes of one encoding with this many layers.
const fn mode(spatial: u8, temporal: u8, inter_layer: InterLayer) -> Structure {
    Structure { spatial, temporal, ..Structure::l3t3(Payload::Av1, inter_layer) }
}

const FLEXIBLE: Payload = Payload::Vp9 { flexible: true };

/// By name.
pub const FURTHER: [(&str, Structure); 25] = [
    ("av1-l1t3", Structure::simulcast(Payload::Av1, 3)),
    ("av1-l2t1", mode(2, 1, InterLayer::Always)),
    ("av1-l2t2", mode(2, 2, InterLayer::Always)),
    ("av1-l2t3", mode(2, 3, InterLayer::Always)),
    ("av1-l3t1", mode(3, 1, InterLayer::Always)),
    ("av1-l3t2", mode(3, 2, InterLayer::Always)),
    ("av1-l2t1-key", mode(2, 1, InterLayer::AtKeyframes)),
    ("av1-l2t2-key", mode(2, 2, InterLayer::AtKeyframes)),
    ("av1-l2t3-key", mode(2, 3, InterLayer::AtKeyframes)),
    ("av1-l3t1-key", mode(3, 1, InterLayer::AtKeyframes)),
    ("av1-l3t2-key", mode(3, 2, InterLayer::AtKeyframes)),
    ("av1-l2t2-key-shift", mode(2, 2, InterLayer::Shifted)),
    ("av1-l2t3-key-shift", mode(2, 3, InterLayer::Shifted)),
    ("av1-l3t2-key-shift", mode(3, 2, InterLayer::Shifted)),
    ("av1-l3t3-key-shift", mode(3, 3, InterLayer::Shifted)),
    ("av1-s2t1", mode(2, 1, InterLayer::Never)),
    ("av1-s2t2", mode(2, 2, InterLayer::Never)),
    ("av1-s2t3", mode(2, 3, InterLayer::Never)),
    ("av1-s3t1", mode(3, 1, InterLayer::Never)),
    ("av1-s3t2", mode(3, 2, InterLayer::Never)),
    ("vp8-dd", Structure::simulcast(Payload::Vp8, 3).described()),
    ("vp9-dd", Structure::l3t3(FLEXIBLE, InterLayer::Always).described()),
    ("vp9-key-dd", Structure::l3t3(FLEXIBLE, InterLayer::AtKeyframes).described()),
    ("h264-dd", Structure::simulcast(Payload::H264, 3).described()),
    ("h265-dd", Structure::simulcast(Payload::H265, 3).described()),
];

/// The structure of that name.
pub fn further(name: &str) -> Option<Structure> {
    FURTHER.iter().find(|(known, _)| *known == name).map(|(_, structure)| *structure)
}

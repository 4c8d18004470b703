//! The codecs and structures that are tortured, by name.

use crate::encoder::{InterLayer, Payload, Structure};

/// See the module's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// Three simulcast encodings of three temporal layers.
    Vp8,
    /// Non-flexible mode, L3T3.
    Vp9,
    /// Flexible mode, L3T3.
    Vp9Flex,
    /// Non-flexible mode, `L3T3_KEY`.
    Vp9Ksvc,
    /// Three simulcast encodings of L1T2.
    Av1L1t2,
    /// Full SVC.
    Av1L3t3,
    /// K-SVC.
    Av1L3t3Key,
    /// Three streams in one.
    Av1S3t3,
    /// Three simulcast encodings.
    H264,
    /// Three simulcast encodings of three temporal layers.
    H265,
}

impl Codec {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Vp8,
        Self::Vp9,
        Self::Vp9Flex,
        Self::Vp9Ksvc,
        Self::Av1L1t2,
        Self::Av1L3t3,
        Self::Av1L3t3Key,
        Self::Av1S3t3,
        Self::H264,
        Self::H265,
    ];

    /// The name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vp8 => "vp8",
            Self::Vp9 => "vp9",
            Self::Vp9Flex => "vp9-flex",
            Self::Vp9Ksvc => "vp9-ksvc",
            Self::Av1L1t2 => "av1-l1t2",
            Self::Av1L3t3 => "av1-l3t3",
            Self::Av1L3t3Key => "av1-l3t3-key",
            Self::Av1S3t3 => "av1-s3t3",
            Self::H264 => "h264",
            Self::H265 => "h265",
        }
    }

    /// By the name on the command line.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.as_str() == name)
    }

    /// What its encoder makes.
    pub const fn structure(self) -> Structure {
        match self {
            Self::Vp8 => Structure::simulcast(Payload::Vp8, 3).looking_back(),
            Self::Vp9 => Structure::l3t3(Payload::Vp9 { flexible: false }, InterLayer::Always).looking_back(),
            Self::Vp9Flex => Structure::l3t3(Payload::Vp9 { flexible: true }, InterLayer::Always).looking_back(),
            Self::Vp9Ksvc => Structure::l3t3(Payload::Vp9 { flexible: false }, InterLayer::AtKeyframes).looking_back(),
            Self::Av1L1t2 => Structure::simulcast(Payload::Av1, 2),
            Self::Av1L3t3 => Structure::l3t3(Payload::Av1, InterLayer::Always),
            Self::Av1L3t3Key => Structure::l3t3(Payload::Av1, InterLayer::AtKeyframes),
            Self::Av1S3t3 => Structure::l3t3(Payload::Av1, InterLayer::Never),
            Self::H264 => Structure::simulcast(Payload::H264, 1),
            Self::H265 => Structure::simulcast(Payload::H265, 3).looking_back(),
        }
    }
}

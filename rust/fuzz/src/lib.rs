//! What must hold for every parser, and for an SFU around them, whatever the bytes: one target, one file, each a function that
//! panics when it does not.
//!
//! The tests replay the corpora (`corpus/TARGET/*`) and mutations of them on every run; `make fuzz-smoke` and `make fuzz`
//! let libFuzzer search (`engine`). A crash that it finds goes into the corpus once it is mended.

mod av1;
mod dependency_descriptor;
mod extensions;
mod h264;
mod h265;
mod opus;
mod red;
mod relay;
mod rtcp;
mod rtp;
mod sdp;
mod session;
mod sizes;
mod stun;
mod video_layers;
mod views;
mod vp8;
mod vp9;

/// A parser and what must hold for it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Also its folder in `corpus`.
    pub name: &'static str,
    /// Panics when the bytes break an invariant.
    pub run: fn(&[u8]),
}

/// All, in the order of `make fuzz`.
pub const TARGETS: [Target; 16] = [
    Target { name: "rtp", run: rtp::run },
    Target { name: "extensions", run: extensions::run },
    Target { name: "rtcp", run: rtcp::run },
    Target { name: "vp8", run: vp8::run },
    Target { name: "vp9", run: vp9::run },
    Target { name: "av1", run: av1::run },
    Target { name: "h264", run: h264::run },
    Target { name: "h265", run: h265::run },
    Target { name: "opus", run: opus::run },
    Target { name: "red", run: red::run },
    Target { name: "dependency_descriptor", run: dependency_descriptor::run },
    Target { name: "video_layers", run: video_layers::run },
    Target { name: "sdp", run: sdp::run },
    Target { name: "stun", run: stun::run },
    Target { name: "session", run: session::run },
    Target { name: "relay", run: relay::run },
];

/// The target of this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}

//! The dependency descriptor header extension (AV1 RTP payload specification 1.0, appendix A): which layer a frame belongs
//! to, what it refers to and who needs it, for any codec, also when the payload is encrypted.
//!
//! A packet's value is read against the [`Structure`] that came with the last keyframe of its encoding. The SFU keeps that
//! structure (boxed, once per encoding); a packet without one costs no allocation. To rewrite: [`DependencyDescriptor::parse`],
//! change the fields, [`DependencyDescriptor::write`] against the same structure. What is not changed keeps its bits.

mod descriptor;
mod diffs;
mod indication;
mod structure;
mod structure_wire;

#[cfg(test)]
mod examples;
#[cfg(test)]
mod tests;

pub use descriptor::{DependencyDescriptor, FrameBounds, ParsedDescriptor};
pub use diffs::{ChainDiffs, FrameDiffs};
pub use indication::{DecodeTargets, Dti, Dtis};
pub use structure::{DecodeTarget, FrameDependencies, Resolution, Structure};

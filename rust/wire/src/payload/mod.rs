//! Payload descriptors: what an SFU may know of a codec without decoding it. One codec, one file, the same shape in each:
//! a descriptor with `parse` (and `write` where the SFU rewrites it), and what tells frames and keyframes.

pub mod av1;
pub mod dependency_descriptor;
pub mod h264;
pub mod h265;
pub mod opus;
pub mod red;
pub mod vp8;
pub mod vp9;

mod bits;
mod picture_id;
mod rbsp;

pub use bits::BitWriter;
pub use dependency_descriptor::DependencyDescriptor;
pub use h264::H264Facts;
pub use h265::H265Facts;
pub use opus::OpusToc;
pub use picture_id::PictureId;
pub use vp8::Vp8Descriptor;
pub use vp9::Vp9Descriptor;

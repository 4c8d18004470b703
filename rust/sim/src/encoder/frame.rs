//! What an encoder makes: frames as they truly are, and packets before they have a header.

/// One frame of one spatial layer, as it truly is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Counts pictures (temporal units): its layers share it.
    pub picture: u32,
    /// The spatial layer inside the encoding.
    pub spatial: u8,
    /// The temporal layer.
    pub temporal: u8,
    /// Frames of the same encoding that it cannot be decoded without, none for a keyframe.
    pub references: Vec<u32>,
    /// The descriptor tells that a subscriber of the lower temporal layers can enter its layer here.
    pub entry: bool,
    /// A layer of this picture is a keyframe: nothing in it refers to an earlier picture.
    pub in_keyframe: bool,
    /// The highest spatial layer that this picture has.
    pub top: u8,
    /// Of its first packet, without wraps.
    pub first_seq: u64,
    /// How many packets it has.
    pub packets: u8,
    /// Without wraps.
    pub timestamp: u64,
}

impl Frame {
    /// Whether decoding can start here.
    pub fn is_keyframe(&self) -> bool {
        self.references.is_empty()
    }
}

/// A packet before it has a header.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EncodedPacket {
    /// Without wraps.
    pub seq: u64,
    /// Without wraps.
    pub timestamp: u64,
    /// The last of its picture.
    pub marker: bool,
    /// Empty for padding.
    pub payload: Vec<u8>,
    /// The value of the dependency descriptor extension, if the structure has one.
    pub descriptor: Vec<u8>,
}

/// The numbers that descriptors carry, all close to where they wrap.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counters {
    pub(super) picture_id: u32,
    pub(super) tl0: u8,
    pub(super) key: u8,
    pub(super) frame_number: u32,
}

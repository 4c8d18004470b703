//! The last bytes of every payload: which packet of which frame it truly is.

/// See the module's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token {
    /// The encoding; a restarted one is another.
    pub source: u8,
    /// Its place among the frames of the encoding.
    pub frame: u32,
    /// Its place in the frame.
    pub part: u8,
    /// How many packets the frame has.
    pub count: u8,
}

impl Token {
    /// How many bytes it takes.
    pub const LEN: usize = 8;
    const MAGIC: u8 = 0xa7;

    /// The bytes.
    pub const fn to_bytes(self) -> [u8; Self::LEN] {
        let [a, b, c, d] = self.frame.to_be_bytes();
        [Self::MAGIC, self.source, a, b, c, d, self.part, self.count]
    }

    /// Reads the end of a payload.
    pub fn of_payload(payload: &[u8]) -> Option<Self> {
        let [magic, source, a, b, c, d, part, count] = *payload.last_chunk::<{ Self::LEN }>()?;
        (magic == Self::MAGIC).then(|| Self { source, frame: u32::from_be_bytes([a, b, c, d]), part, count })
    }
}

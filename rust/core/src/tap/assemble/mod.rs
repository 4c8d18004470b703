//! The packets of a whole picture become the frame that a decoder takes. One file per codec.
//!
//! What is malformed is no frame: a hole as far as the rest is concerned.

mod annex_b;
mod av1;
mod h264;
mod h265;
mod opus;
mod vp8;
mod vp9;

use annex_b::ParameterSets;

use crate::codec::CodecName;

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    sets: ParameterSets,
}

impl Assembler {
    /// The frame in `payloads`, which are complete and in order; empty when there is nothing to decode in them.
    pub(super) fn assemble<'a>(
        &mut self,
        codec: CodecName,
        payloads: impl Iterator<Item = &'a [u8]>,
    ) -> Option<Vec<u8>> {
        match codec {
            CodecName::Vp8 => vp8::assemble(payloads),
            CodecName::Vp9 => vp9::assemble(payloads),
            CodecName::Av1 => av1::assemble(payloads),
            CodecName::H264 => h264::assemble(payloads, &mut self.sets),
            CodecName::H265 => h265::assemble(payloads, &mut self.sets),
            CodecName::Opus => opus::assemble(payloads),
            CodecName::Red => opus::assemble_red(payloads),
        }
    }
}

//! What was decided on a packet of a run, whichever way it was: all that `rewrite` has to know.

use sfu_wire::payload::dependency_descriptor::DecodeTargets;

/// See the module's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The packet goes out.
    pub(crate) forwarded: bool,
    /// It is the last packet of its picture that goes out, as far as layers tell.
    pub(crate) ends_picture: bool,
    /// The picture id without wraps, when the codec numbers its pictures.
    pub(crate) picture: Option<i64>,
    /// Pictures of this run that were left out before it.
    pub(crate) left_out_before: u32,
    /// The decode targets to declare, where they are not what the receiver takes for granted.
    pub(crate) active: Option<DecodeTargets>,
}

//! Why a scenario cannot be played.

use sfu_core::command::CommandError;
use thiserror::Error;

/// See the module's text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SimError {
    /// The SFU refuses a command.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The SFU does not take the codec (`a=rtpmap`).
    #[error("the SFU does not forward {0}")]
    CodecRefused(String),
}

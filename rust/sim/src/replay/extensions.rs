//! Which header extensions a capture has: `ID=URI` as `a=extmap` has them, and short names for those that the SFU knows.

use sfu_wire::Extension;
use thiserror::Error;

/// Why a text is no `ID=URI`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExtensionError {
    /// There is no `=` in it.
    #[error("{0:?} is no ID=URI, such as 4=urn:ietf:params:rtp-hdrext:sdes:mid")]
    Shape(String),
    /// The id is no number from 1 to 255 (RFC 8285 §4).
    #[error("{0:?} is no extension id: a number from 1 to 14, or to 255 in the two-byte form")]
    Id(String),
    /// The URI has no scheme, and is no short name either.
    #[error("{0:?} is neither a URI nor one of {names}", names = NAMES.map(|(name, _)| name).join(" "))]
    Name(String),
}

/// Short names, for those who type them.
const NAMES: [(&str, Extension); 10] = [
    ("mid", Extension::Mid),
    ("rid", Extension::Rid),
    ("rrid", Extension::RepairedRid),
    ("twcc", Extension::TransportCc),
    ("abs-send-time", Extension::AbsSendTime),
    ("audio-level", Extension::AudioLevel),
    ("video-orientation", Extension::VideoOrientation),
    ("dd", Extension::DependencyDescriptor),
    ("abs-capture-time", Extension::AbsCaptureTime),
    ("video-layers-allocation", Extension::VideoLayersAllocation),
];

/// Reads `ID=URI`; the id may have a direction (`3/sendonly`), as in SDP.
///
/// # Errors
/// Says what the text lacks.
pub fn extension(text: &str) -> Result<(u8, String), ExtensionError> {
    let (id, uri) = text.trim().split_once('=').ok_or_else(|| ExtensionError::Shape(text.to_owned()))?;
    let number = id.trim().split('/').next().unwrap_or_default();
    let number = number.parse().ok().filter(|number| *number > 0).ok_or_else(|| ExtensionError::Id(id.to_owned()))?;
    let uri = uri.trim();
    // A short name with a slip in it must not pass for a URI that the SFU does not know.
    let is_uri = uri.contains(':') || known(uri).is_some();
    if is_uri { Ok((number, uri.to_owned())) } else { Err(ExtensionError::Name(uri.to_owned())) }
}

/// What a URI, or one of the short names, stands for.
pub(super) fn known(uri: &str) -> Option<Extension> {
    let uri = uri.trim();
    let short = || NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(uri)).map(|(_, extension)| *extension);
    // Attributes may follow in `a=extmap`.
    Extension::from_uri(uri.split(' ').next().unwrap_or_default()).or_else(short)
}

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
    match number.parse() {
        Ok(number) if number > 0 => Ok((number, uri.trim().to_owned())),
        _ => Err(ExtensionError::Id(id.to_owned())),
    }
}

/// What a URI, or one of the short names, stands for.
pub(super) fn known(uri: &str) -> Option<Extension> {
    let uri = uri.trim();
    let short = || NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(uri)).map(|(_, extension)| *extension);
    // Attributes may follow in `a=extmap`.
    Extension::from_uri(uri.split(' ').next().unwrap_or_default()).or_else(short)
}

//! Format parameters (`a=fmtp`, RFC 8866 §6.15).

use std::sync::Arc;

use crate::codec::CodecName;

/// The value of one `a=fmtp` parameter; names are compared without case.
pub(super) fn parameter<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    fmtp.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// What the server writes for a format that the peer offers with `fmtp`: the receiver's wishes are passed on, what
/// describes the peer's own stream (`sprop-…`) or decoder (VP8, VP9: `max-fs`, `max-fr`) is not the server's to say.
pub(super) fn answered_fmtp(name: CodecName, fmtp: &str) -> Arc<str> {
    match name {
        CodecName::Vp8 => Arc::from(""),
        CodecName::Vp9 if parameter(fmtp, "profile-id").is_none() => Arc::from(""),
        CodecName::Vp9 => Arc::from("profile-id=0"),
        CodecName::Red => Arc::from(fmtp.trim()),
        CodecName::Opus | CodecName::H264 | CodecName::H265 | CodecName::Av1 => {
            let kept = fmtp.split(';').map(str::trim).filter(|pair| {
                !pair.is_empty() && !pair.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("sprop-"))
            });
            Arc::from(kept.collect::<Vec<_>>().join(";"))
        }
    }
}

//! SDP text to typed sections (RFC 8866), with the help of `webrtc-sdp`; nothing else here knows that crate.
//!
//! Lines are handed over one by one, so that every complaint names its line. What the SFU does not use (candidates, unknown
//! attributes) is not looked at; what it uses must be well-formed. Everything borrows from the text.

mod attribute;
mod description;
mod row;
mod section;

use super::error::NegotiationError;

pub(super) use description::Description;
use row::Row;
pub(super) use row::{Setup, TransportLines};
pub(super) use section::RemoteSection;

/// Far above any meeting; bounds the work for one description.
const MAX_SECTIONS: usize = 1024;

/// Reads a description.
pub(super) fn parse(sdp: &str) -> Result<Description<'_>, NegotiationError> {
    let mut description = Description::default();
    let mut lines = 0;
    for (index, text) in sdp.lines().enumerate() {
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        lines += 1;
        let row = Row { number: index + 1, text };
        let (kind, value) = text.split_once('=').ok_or_else(|| row.malformed("a line is a letter, `=` and a value"))?;
        match kind {
            "v" | "o" | "t" | "c" => row::check(row)?,
            "m" => {
                if description.sections.len() == MAX_SECTIONS {
                    return Err(NegotiationError::TooManySections { limit: MAX_SECTIONS });
                }
                let section = section::media(row, value, description.sections.len() + 1)?;
                description.sections.push(section);
            }
            "a" => attribute::attribute(&mut description, row, value)?,
            _ if kind.len() == 1 => {}
            _ => return Err(row.malformed("a line is a letter, `=` and a value")),
        }
        if lines == 1 && kind != "v" {
            return Err(row.malformed("a description begins with `v=0`"));
        }
    }
    if lines == 0 {
        return Err(NegotiationError::MissingLine { what: "v=0", lines });
    }
    if description.sections.is_empty() {
        return Err(NegotiationError::MissingLine { what: "m= section", lines });
    }
    description.inherit();
    Ok(description)
}

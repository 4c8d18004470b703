//! Why bytes are not what they should be. One small enum for every parser of the crate: the caller counts and drops.

use thiserror::Error;

/// Why bytes could not be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The bytes end before the structure does.
    #[error("the bytes end too early")]
    TooShort,
    /// The version field is not 2 (RFC 3550 §5.1).
    #[error("the version is not 2")]
    Version,
    /// A length field disagrees with what is there.
    #[error("a length field disagrees with the bytes")]
    Length,
    /// The padding count is zero or larger than what it pads.
    #[error("the padding count is wrong")]
    Padding,
    /// A field holds a value that the format does not allow.
    #[error("a field holds a value that the format does not allow")]
    Value,
    /// It refers to a template of a structure that has not been seen (dependency descriptor).
    #[error("no known structure has the template")]
    UnknownTemplate,
}

//! The data channel establishment protocol (RFC 8832): OPEN asks for a channel on a stream, ACK grants it.
//!
//! ```text
//!  0                   1                   2                   3
//! | message type 3| channel type  |           priority            |
//! |                    reliability parameter                      |
//! |         label length          |        protocol length        |
//! |  label, then protocol …
//! ```

use std::time::Duration;

use super::parameters::ChannelParameters;

const OPEN: u8 = 3;
const ACK: u8 = 2;
const HEADER_LEN: usize = 12;
/// Channel types (§5.1): the low bits tell what limits the retransmission.
const UNORDERED: u8 = 0x80;
const RELIABLE: u8 = 0;
const LIMITED_RETRANSMITS: u8 = 1;
const LIMITED_LIFETIME: u8 = 2;
/// "Normal" (RFC 8831 §6.4).
const PRIORITY: u16 = 256;

/// A message of the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dcep {
    Open(ChannelParameters),
    Ack,
}

impl Dcep {
    pub(crate) fn parse(message: &[u8]) -> Option<Self> {
        match *message.first()? {
            ACK => Some(Self::Ack),
            OPEN => parse_open(message).map(Self::Open),
            _ => None,
        }
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        match self {
            Self::Ack => vec![ACK],
            Self::Open(parameters) => write_open(parameters),
        }
    }
}

fn parse_open(message: &[u8]) -> Option<ChannelParameters> {
    let (header, text) = message.split_first_chunk::<HEADER_LEN>()?;
    let reliability = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
    let label_len = usize::from(u16::from_be_bytes([header[8], header[9]]));
    let protocol_len = usize::from(u16::from_be_bytes([header[10], header[11]]));
    let label = text.get(..label_len)?;
    let protocol = text.get(label_len..label_len + protocol_len)?;
    let (max_retransmits, max_lifetime) = match header[1] & !UNORDERED {
        RELIABLE => (None, None),
        LIMITED_RETRANSMITS => (Some(u16::try_from(reliability).unwrap_or(u16::MAX)), None),
        LIMITED_LIFETIME => (None, Some(Duration::from_millis(u64::from(reliability)))),
        _ => return None,
    };
    Some(ChannelParameters {
        label: String::from_utf8(label.to_vec()).ok()?,
        protocol: String::from_utf8(protocol.to_vec()).ok()?,
        ordered: header[1] & UNORDERED == 0,
        max_retransmits,
        max_lifetime,
    })
}

fn write_open(parameters: &ChannelParameters) -> Vec<u8> {
    let (kind, reliability) = match (parameters.max_retransmits, parameters.max_lifetime) {
        (Some(count), _) => (LIMITED_RETRANSMITS, u32::from(count)),
        (None, Some(lifetime)) => (LIMITED_LIFETIME, u32::try_from(lifetime.as_millis()).unwrap_or(u32::MAX)),
        (None, None) => (RELIABLE, 0),
    };
    let label = truncated(&parameters.label);
    let protocol = truncated(&parameters.protocol);
    let mut message = Vec::with_capacity(HEADER_LEN + label.len() + protocol.len());
    message.push(OPEN);
    message.push(if parameters.ordered { kind } else { kind | UNORDERED });
    message.extend_from_slice(&PRIORITY.to_be_bytes());
    message.extend_from_slice(&reliability.to_be_bytes());
    message.extend_from_slice(&(label.len() as u16).to_be_bytes());
    message.extend_from_slice(&(protocol.len() as u16).to_be_bytes());
    message.extend_from_slice(label.as_bytes());
    message.extend_from_slice(protocol.as_bytes());
    message
}

/// What fits into 16 bits of length.
fn truncated(text: &str) -> &str {
    let mut end = text.len().min(usize::from(u16::MAX));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_of_a_browser_is_understood() {
        // Chromium: createDataChannel("chat", {ordered: false, maxRetransmits: 3, protocol: "p"}).
        let bytes = b"\x03\x81\x01\x00\x00\x00\x00\x03\x00\x04\x00\x01chatp";
        let parameters = ChannelParameters {
            label: String::from("chat"),
            protocol: String::from("p"),
            ordered: false,
            max_retransmits: Some(3),
            max_lifetime: None,
        };
        assert_eq!(Dcep::parse(bytes), Some(Dcep::Open(parameters.clone())));
        assert_eq!(Dcep::Open(parameters).write(), bytes);
    }

    #[test]
    fn every_kind_survives_a_round_trip() {
        for ordered in [true, false] {
            for (max_retransmits, max_lifetime) in
                [(None, None), (Some(0), None), (None, Some(Duration::from_millis(1500)))]
            {
                let open = Dcep::Open(ChannelParameters {
                    label: String::from("ä"),
                    protocol: String::new(),
                    ordered,
                    max_retransmits,
                    max_lifetime,
                });
                assert_eq!(Dcep::parse(&open.write()), Some(open));
            }
        }
        assert_eq!(Dcep::parse(&Dcep::Ack.write()), Some(Dcep::Ack));
    }

    #[test]
    fn truncated_and_unknown_messages_are_refused() {
        let bytes = b"\x03\x00\x01\x00\x00\x00\x00\x00\x00\x04\x00\x01chatp";
        for len in 0..bytes.len() {
            assert_eq!(Dcep::parse(&bytes[..len]), None, "{len}");
        }
        assert_eq!(Dcep::parse(b"\x00"), None);
        let mut unknown = *bytes;
        unknown[1] = 3;
        assert_eq!(Dcep::parse(&unknown), None);
        let mut not_text = *bytes;
        not_text[12] = 0xff;
        assert_eq!(Dcep::parse(&not_text), None);
    }
}

//! RTP: a view's parts make up the packet, and a header written from it reads the same.

use sfu_wire::Ssrc;
use sfu_wire::rtp::{ExtensionForms, MAX_EXTENSIONS, RtpPacket, RtpPeek, write_header};

use crate::views::lies_in;

pub(crate) fn run(bytes: &[u8]) {
    let peek = RtpPeek::parse(bytes);
    let Ok(packet) = RtpPacket::parse(bytes) else { return };
    assert!(peek.is_ok(), "what a protected packet shows, a clear one shows");
    assert_eq!(packet.as_bytes(), bytes);
    assert_eq!(packet.header_len() + packet.payload().len() + usize::from(packet.padding()), bytes.len());
    assert!(lies_in(packet.payload(), bytes));

    let csrcs: Vec<Ssrc> = packet.csrcs().collect();
    let extensions: Vec<(u8, &[u8])> = packet.extensions().iter().take(MAX_EXTENSIONS).collect();
    assert!(extensions.iter().all(|(_, value)| lies_in(value, bytes)));
    let mut buffer = vec![0; bytes.len() + 64];
    let written = write_header(&mut buffer, packet.header(), &csrcs, &extensions, ExtensionForms::Mixed)
        .expect("what was read fits as many bytes and its padding");
    let again = RtpPacket::parse(&buffer[..written.len()]).expect("what is written is read");
    assert_eq!(again.header(), packet.header());
    assert!(again.csrcs().eq(csrcs));
    // Ids that no form has (15 in the one-byte form, 0) are left out.
    let kept: Vec<_> = again.extensions().iter().collect();
    let expected = extensions.iter().enumerate().filter(|(at, _)| written.value_offset(*at).is_some());
    assert!(kept.iter().eq(expected.map(|(_, extension)| extension)));
}

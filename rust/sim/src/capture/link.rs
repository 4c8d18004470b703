//! From a link-layer frame to the UDP datagram in it: link types of <https://www.tcpdump.org/linktypes.html>, IPv4 and IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::record::{Capture, CaptureError, Record};

const UDP: u8 = 17;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// VLAN tags (IEEE 802.1Q, 802.1ad and older).
const VLANS: [u16; 3] = [0x8100, 0x88a8, 0x9100];

/// A datagram's addresses and payload; `None`: the capture has a part of it only.
type Datagram<'a> = Option<((SocketAddr, SocketAddr), &'a [u8])>;

/// Adds a frame that came `at` some time on the file's clock.
pub(super) fn push(capture: &mut Capture, at: Duration, link_type: u32, frame: &[u8]) -> Result<(), CaptureError> {
    match udp(link_type, frame)? {
        Some(Some((flow, payload))) => {
            capture.records.push(Record { at, flow: Some(flow), rtcp: None, bytes: payload.to_vec() });
        }
        Some(None) => capture.snipped += 1,
        None => capture.skipped += 1,
    }
    Ok(())
}

/// `None`: the frame carries no UDP datagram.
fn udp(link_type: u32, frame: &[u8]) -> Result<Option<Datagram<'_>>, CaptureError> {
    let packet = match link_type {
        // NULL and LOOP: a protocol family in somebody's byte order; the IP version says the same.
        0 | 108 => frame.get(4..),
        1 => ethernet(frame),
        // RAW, in two numberings, and the one for either version of IP.
        12 | 14 | 101 | 228 | 229 => Some(frame),
        // LINUX_SLL: the protocol in the last two of 16 bytes.
        113 => by_type(be16(frame, 14), frame, 16),
        // LINUX_SLL2: the protocol in the first two of 20 bytes.
        276 => by_type(be16(frame, 0), frame, 20),
        other => return Err(CaptureError::LinkType(other)),
    };
    Ok(packet.and_then(ip))
}

fn ethernet(frame: &[u8]) -> Option<&[u8]> {
    let mut at = 12;
    while be16(frame, at).is_some_and(|kind| VLANS.contains(&kind)) {
        at += 4;
    }
    by_type(be16(frame, at), frame, at + 2)
}

fn by_type(kind: Option<u16>, frame: &[u8], header: usize) -> Option<&[u8]> {
    let mut header = header;
    let mut kind = kind?;
    while VLANS.contains(&kind) {
        kind = be16(frame, header + 2)?;
        header += 4;
    }
    (kind == IPV4 || kind == IPV6).then(|| frame.get(header..))?
}

fn ip(packet: &[u8]) -> Option<Datagram<'_>> {
    match packet.first()? >> 4 {
        4 => ipv4(packet),
        6 => ipv6(packet),
        _ => None,
    }
}

/// RFC 791 §3.1. Fragments are not put together: media does not come in them.
fn ipv4(packet: &[u8]) -> Option<Datagram<'_>> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    // Where the card computes checksums and lengths, the captured length may be 0.
    let total = Some(usize::from(be16(packet, 2)?)).filter(|total| *total > 0).unwrap_or(packet.len());
    if header < 20 || *packet.get(9)? != UDP || be16(packet, 6)? & 0x3fff != 0 {
        return None;
    }
    let address = |at: usize| -> Option<IpAddr> {
        let bytes: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
        Some(Ipv4Addr::from(bytes).into())
    };
    Some(datagram(packet.get(header..total.min(packet.len()))?, address(12)?, address(16)?))
}

/// RFC 8200 §3, with the extension headers that have lengths (§4).
fn ipv6(packet: &[u8]) -> Option<Datagram<'_>> {
    let length = usize::from(be16(packet, 4)?);
    let end = if length == 0 { packet.len() } else { packet.len().min(40 + length) };
    let (mut next, mut at) = (*packet.get(6)?, 40);
    while matches!(next, 0 | 43 | 60) {
        next = *packet.get(at)?;
        at += (usize::from(*packet.get(at + 1)?) + 1) * 8;
    }
    if next != UDP {
        return None;
    }
    let address = |at: usize| -> Option<IpAddr> {
        let bytes: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
        Some(Ipv6Addr::from(bytes).into())
    };
    Some(datagram(packet.get(at..end)?, address(8)?, address(24)?))
}

/// RFC 768.
fn datagram(bytes: &[u8], source: IpAddr, target: IpAddr) -> Datagram<'_> {
    let flow = (SocketAddr::new(source, be16(bytes, 0)?), SocketAddr::new(target, be16(bytes, 2)?));
    // 0: the card computes it.
    let end = Some(usize::from(be16(bytes, 4)?)).filter(|length| *length > 0).unwrap_or(bytes.len());
    bytes.get(8..end).map(|payload| (flow, payload))
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

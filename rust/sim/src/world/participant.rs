//! The far end of one transport: an address, both links, and SRTP as the client has it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use sfu_core::id::SessionId;
use sfu_core::transport::TransportKind;
use sfu_transport::Path;
use sfu_transport::srtp::{SrtpKeys, SrtpReceiver, SrtpSender};
use sfu_wire::rtp::RtpPacket;
use sfu_wire::{SeqExtender, Ssrc};

use crate::link::Link;

/// Where the SFU is.
pub(super) const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 7882);
/// The participants' port; their index is in the address.
const PORT: u16 = 5000;
/// Their network: 11.0.0.0/8.
const NETWORK: u32 = 11 << 24;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Participant {
    pub(super) session: SessionId,
    pub(super) transport: TransportKind,
    pub(super) keys: SrtpKeys,
    pub(super) connected: bool,
    pub(super) uplink: Link,
    pub(super) downlink: Link,
    /// On top of what the uplink takes.
    pub(super) detour: Duration,
    address: SocketAddr,
    sender: SrtpSender,
    receiver: SrtpReceiver,
    /// What has been sent of each stream.
    numbers: BTreeMap<Ssrc, SeqExtender>,
    scratch: Vec<u8>,
}

impl Participant {
    pub(super) fn new(
        index: usize,
        (session, transport): (SessionId, TransportKind),
        keys: SrtpKeys,
        (uplink, downlink): (Link, Link),
    ) -> Self {
        Self {
            session,
            transport,
            connected: false,
            uplink,
            downlink,
            detour: Duration::ZERO,
            address: SocketAddr::new(Ipv4Addr::from_bits(NETWORK + index as u32).into(), PORT),
            sender: SrtpSender::new(keys.profile, &keys.client),
            receiver: SrtpReceiver::new(keys.profile, &keys.server),
            keys,
            numbers: BTreeMap::new(),
            scratch: Vec::new(),
        }
    }

    /// As the SFU sees it.
    pub(super) const fn path(&self) -> Path {
        Path { local: SERVER, remote: self.address }
    }

    /// Whose path it is.
    pub(super) fn index_of(path: Path) -> Option<usize> {
        match path.remote.ip() {
            IpAddr::V4(address) => address.to_bits().checked_sub(NETWORK).map(|index| index as usize),
            IpAddr::V6(_) => None,
        }
    }

    pub(super) fn seal_rtp(&mut self, packet: &[u8]) -> Option<&[u8]> {
        let parsed = RtpPacket::parse(packet).ok()?;
        let (header, header_len) = (*parsed.header(), parsed.header_len());
        // The extender starts one cycle up, a sender at rollover counter 0.
        let seq = self.numbers.entry(header.ssrc).or_default().extend(header.seq).get().checked_sub(1 << 16)?.into();
        self.copy(packet, self.keys.profile.rtp_overhead());
        let len = self.sender.protect_rtp(&mut self.scratch, packet.len(), header_len, header.ssrc, seq).ok()?;
        self.scratch.get(..len)
    }

    pub(super) fn seal_rtcp(&mut self, compound: &[u8]) -> Option<&[u8]> {
        self.copy(compound, self.keys.profile.rtcp_overhead());
        let len = self.sender.protect_rtcp(&mut self.scratch, compound.len()).ok()?;
        self.scratch.get(..len)
    }

    /// Opens what arrived in place; its clear length.
    pub(super) fn open(&mut self, datagram: &mut [u8], rtcp: bool) -> Option<usize> {
        if rtcp { self.receiver.unprotect_rtcp(datagram).ok() } else { self.receiver.unprotect_rtp(datagram).ok() }
    }

    fn copy(&mut self, packet: &[u8], room: usize) {
        self.scratch.clear();
        self.scratch.extend_from_slice(packet);
        self.scratch.resize(packet.len() + room, 0);
    }
}

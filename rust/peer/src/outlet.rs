//! Where packets leave: stamps what is known only at send time, seals in the egress.

use std::time::{Duration, Instant};

use sfu_congestion::twcc::TwccSender;
use sfu_transport::{Class, Egress, Path, Secured, SrtpProfile};
use sfu_wire::rtp::extension_value::{AbsSendTime, TransportSeq};
use sfu_wire::rtp::{ExtensionForms, RtpHeader, write_header};
use sfu_wire::{Extension, ExtensionMap, SeqNo};

use crate::ice::Ice;

/// Room for a header with all extensions of few bytes.
const MAX_HEADER_LEN: usize = 128;

/// Everything that sending needs, borrowed for one turn.
pub(crate) struct Outlet<'a> {
    pub(crate) now: Instant,
    /// The wall clock.
    pub(crate) unix_time: Duration,
    pub(crate) secured: &'a mut Secured,
    pub(crate) egress: &'a mut Egress,
    pub(crate) path: Path,
    pub(crate) profile: SrtpProfile,
    pub(crate) twcc: &'a mut TwccSender,
    /// RTCP sent so far.
    pub(crate) compounds: u64,
}

/// Where to send, when media may.
pub(crate) fn outlet<'a>(
    now: Instant,
    unix_time: Duration,
    ice: &Ice,
    secured: &'a mut Secured,
    twcc: &'a mut TwccSender,
    egress: &'a mut Egress,
) -> Option<Outlet<'a>> {
    let (path, profile) = (ice.path()?, secured.profile()?);
    Some(Outlet { now, unix_time, secured, egress, path, profile, twcc, compounds: 0 })
}

/// One RTP packet to send.
pub(crate) struct Packet<'a> {
    pub(crate) header: RtpHeader,
    pub(crate) seq: SeqNo,
    pub(crate) class: Class,
    pub(crate) ids: &'a ExtensionMap,
    /// Values that do not depend on when the packet leaves.
    pub(crate) values: &'a [(Extension, &'a [u8])],
    /// Written one behind the other.
    pub(crate) payload: [&'a [u8]; 2],
}

impl Outlet<'_> {
    /// Sends a packet; how many bytes went out.
    pub(crate) fn send_rtp(&mut self, packet: &Packet<'_>) -> usize {
        let [first, second] = packet.payload;
        let values: usize = packet.values.iter().map(|(_, value)| value.len()).sum();
        let max_len = MAX_HEADER_LEN + values + first.len() + second.len();
        let transport_seq = if packet.ids.contains(Extension::TransportCc) {
            TransportSeq(self.twcc.send(self.now, first.len() + second.len())).to_bytes()
        } else {
            [0; 2]
        };
        let send_time = AbsSendTime::from_duration(self.unix_time).to_bytes();
        let mut extensions: [(u8, &[u8]); 8] = [(0, &[]); 8];
        let stamped: [(Extension, &[u8]); 2] =
            [(Extension::TransportCc, &transport_seq), (Extension::AbsSendTime, &send_time)];
        let mut count = 0;
        for &(extension, value) in stamped.iter().chain(packet.values) {
            if let Some(id) = packet.ids.id(extension) {
                extensions[count] = (id, value);
                count += 1;
            }
        }
        let mut sent = 0;
        self.egress.write(self.path, packet.class, max_len + self.profile.rtp_overhead(), |buffer| {
            let Some(header) = write_header(buffer, &packet.header, &[], &extensions[..count], ExtensionForms::Mixed)
            else {
                return 0;
            };
            let middle = header.len() + first.len();
            let end = middle + second.len();
            buffer[header.len()..middle].copy_from_slice(first);
            buffer[middle..end].copy_from_slice(second);
            let lengths = (end, header.len());
            sent = self.secured.protect_rtp(buffer, lengths, packet.header.ssrc, packet.seq).unwrap_or(0);
            sent
        });
        sent
    }

    /// Sends a compound.
    pub(crate) fn send_rtcp(&mut self, compound: &[u8]) {
        if compound.is_empty() {
            return;
        }
        self.compounds += 1;
        self.egress.write(self.path, Class::Control, compound.len() + self.profile.rtcp_overhead(), |buffer| {
            buffer[..compound.len()].copy_from_slice(compound);
            self.secured.protect_rtcp(buffer, compound.len()).unwrap_or(0)
        });
    }
}

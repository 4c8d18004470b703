//! Any RTCP packet that the SFU understands.

use crate::error::ParseError;
use crate::rtcp::bye::Bye;
use crate::rtcp::fir::{self, Fir};
use crate::rtcp::header::{BYE, Frame, PSFB, RR, RTPFB, SDES, SR, XR};
use crate::rtcp::nack::{self, Nack};
use crate::rtcp::pli::{self, Pli};
use crate::rtcp::receiver_report::ReceiverReport;
use crate::rtcp::remb::{self, Remb};
use crate::rtcp::sdes::Sdes;
use crate::rtcp::sender_report::SenderReport;
use crate::rtcp::transport_feedback::{self, TransportFeedback};
use crate::rtcp::xr::Xr;

/// A view of one RTCP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rtcp<'a> {
    /// SR.
    SenderReport(SenderReport<'a>),
    /// RR.
    ReceiverReport(ReceiverReport<'a>),
    /// SDES.
    Sdes(Sdes<'a>),
    /// BYE.
    Bye(Bye<'a>),
    /// Generic NACK.
    Nack(Nack<'a>),
    /// PLI.
    Pli(Pli),
    /// FIR.
    Fir(Fir<'a>),
    /// REMB.
    Remb(Remb<'a>),
    /// Transport-wide congestion control feedback.
    TransportFeedback(TransportFeedback<'a>),
    /// XR.
    Xr(Xr<'a>),
    /// Something else.
    Unknown {
        /// PT.
        packet_type: u8,
        /// The five bits of the first byte: a count or the feedback message type.
        count: u8,
    },
}

impl<'a> Rtcp<'a> {
    pub(super) fn parse(frame: Frame<'a>) -> Result<Self, ParseError> {
        let unknown = Self::Unknown { packet_type: frame.packet_type, count: frame.count };
        Ok(match (frame.packet_type, frame.count) {
            (SR, _) => Self::SenderReport(SenderReport::parse(frame)?),
            (RR, _) => Self::ReceiverReport(ReceiverReport::parse(frame)?),
            (SDES, _) => Self::Sdes(Sdes::parse(frame)?),
            (BYE, _) => Self::Bye(Bye::parse(frame)?),
            (RTPFB, nack::FORMAT) => Self::Nack(Nack::parse(frame)?),
            (RTPFB, transport_feedback::FORMAT) => Self::TransportFeedback(TransportFeedback::parse(frame)?),
            (PSFB, pli::FORMAT) => Self::Pli(Pli::parse(frame)?),
            (PSFB, fir::FORMAT) => Self::Fir(Fir::parse(frame)?),
            (PSFB, remb::FORMAT) => Remb::parse(frame)?.map_or(unknown, Self::Remb),
            (XR, _) => Self::Xr(Xr::parse(frame)?),
            _ => unknown,
        })
    }
}

//! Transport-wide congestion control feedback: when each packet of a transport arrived
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).

use crate::bytes::{Reader, Writer};
use crate::error::ParseError;
use crate::id::Ssrc;
use crate::rtcp::header::{Frame, RTPFB, WriteRtcp, read_feedback, write_feedback};
use crate::rtcp::transport_feedback_chunks::{self as chunks, Symbol, Symbols};

/// Feedback message type.
pub(super) const FORMAT: u8 = 15;

/// A transport-wide feedback message.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|  FMT=15 |    PT=205     |           length              |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                     SSRC of packet sender                     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                      SSRC of media source                     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |      base sequence number     |      packet status count      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                 reference time                | fb pkt. count |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |          packet chunk         |  ...                          |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |           recv delta          |  ...           | zero padding |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TransportFeedback<'a> {
    /// Who reports.
    pub sender: Ssrc,
    /// One of the streams that are reported on.
    pub media: Ssrc,
    /// The transport-wide number of the first reported packet.
    pub base_seq: u16,
    /// The arrival clock at the first delta in units of 64 ms, 24 bits with sign.
    pub reference_time: i32,
    /// Counts the feedback messages of a sender.
    pub feedback_count: u8,
    statuses: Statuses<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Statuses<'a> {
    /// Checked when they were parsed.
    Received {
        count: u16,
        chunks: &'a [u8],
        deltas: &'a [u8],
    },
    Given(&'a [Option<i16>]),
}

/// A time on the arrival clock of whoever sent the feedback, in ticks of 250 µs. Only differences mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FeedbackTime(i64);

impl FeedbackTime {
    /// Microseconds in a tick.
    pub const TICK_MICROS: i64 = 250;
    /// Ticks in a unit of the reference time.
    pub const TICKS_PER_REFERENCE: i64 = 256;

    /// From ticks.
    pub const fn new(ticks: i64) -> Self {
        Self(ticks)
    }

    /// Ticks.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Microseconds from `earlier` to this time. The clock wraps every 12.4 days (24 bits of 64 ms), so the difference
    /// is taken to be less than half of that.
    pub const fn micros_since(self, earlier: Self) -> i64 {
        const CYCLE_BITS: u32 = 24 + 8;
        const SPARE: u32 = 64 - CYCLE_BITS;
        ((self.0.wrapping_sub(earlier.0) << SPARE) >> SPARE) * Self::TICK_MICROS
    }
}

/// What a feedback message says of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketStatus {
    /// The packet's transport-wide number.
    pub seq: u16,
    /// When it arrived; `None`: not yet.
    pub arrival: Option<FeedbackTime>,
}

impl<'a> TransportFeedback<'a> {
    /// To be written: `deltas` has an entry per packet from `base_seq` on, `None` when it has not arrived, else the ticks
    /// of 250 µs since the arrival before it in this message (the first: since `reference_time`).
    pub const fn new(
        (sender, media): (Ssrc, Ssrc),
        base_seq: u16,
        reference_time: i32,
        feedback_count: u8,
        deltas: &'a [Option<i16>],
    ) -> Self {
        Self { sender, media, base_seq, reference_time, feedback_count, statuses: Statuses::Given(deltas) }
    }

    pub(super) fn parse(frame: Frame<'a>) -> Result<Self, ParseError> {
        let mut reader = Reader::new(frame.body);
        let (sender, media) = read_feedback(&mut reader)?;
        let base_seq = reader.u16()?;
        let count = reader.u16()?;
        let reference_time = (reader.u24()? << 8) as i32 >> 8;
        let feedback_count = reader.u8()?;
        if count == 0 {
            return Err(ParseError::Value);
        }
        let chunks = reader.rest();
        let mut symbols = Symbols::new(chunks, count);
        let deltas_len = symbols.by_ref().try_fold(0, |len, symbol| Ok(len + symbol?.delta_len()))?;
        let deltas = symbols.rest().get(..deltas_len).ok_or(ParseError::TooShort)?;
        let statuses = Statuses::Received { count, chunks, deltas };
        Ok(Self { sender, media, base_seq, reference_time, feedback_count, statuses })
    }

    /// How many packets it speaks of.
    pub const fn packet_count(&self) -> usize {
        match self.statuses {
            Statuses::Received { count, .. } => count as usize,
            Statuses::Given(deltas) => deltas.len(),
        }
    }

    /// What it says of each packet, ascending from `base_seq`.
    pub fn packets(&self) -> impl Iterator<Item = PacketStatus> + use<'a> {
        let mut time = i64::from(self.reference_time) * FeedbackTime::TICKS_PER_REFERENCE;
        let base = self.base_seq;
        self.deltas().zip(0u16..).map(move |(delta, index)| {
            let arrival = delta.map(|delta| {
                time += i64::from(delta);
                FeedbackTime(time)
            });
            PacketStatus { seq: base.wrapping_add(index), arrival }
        })
    }

    /// The arrivals as deltas, see [`Self::new`].
    pub fn deltas(&self) -> impl Iterator<Item = Option<i16>> + use<'a> {
        let (symbols, deltas, given): (_, &'a [u8], &'a [Option<i16>]) = match self.statuses {
            Statuses::Received { count, chunks, deltas } => (Symbols::new(chunks, count), deltas, &[]),
            Statuses::Given(given) => (Symbols::new(&[], 0), &[], given),
        };
        let mut reader = Reader::new(deltas);
        let received = symbols.map_while(move |symbol| match symbol.ok()? {
            Symbol::NotReceived => Some(None),
            Symbol::Small => reader.u8().ok().map(|delta| Some(i16::from(delta))),
            Symbol::Large => reader.u16().ok().map(|delta| Some(delta as i16)),
        });
        received.chain(given.iter().copied())
    }
}

impl WriteRtcp for TransportFeedback<'_> {
    /// `None` also without packets and with more than 65535.
    fn write(&self, buffer: &mut [u8]) -> Option<usize> {
        let count = u16::try_from(self.packet_count()).ok().filter(|count| *count != 0)?;
        write_feedback(buffer, RTPFB, FORMAT, (self.sender, self.media), |writer| {
            writer.u16(self.base_seq)?;
            writer.u16(count)?;
            writer.u24(self.reference_time as u32)?;
            writer.u8(self.feedback_count)?;
            match self.statuses {
                Statuses::Received { chunks, deltas, .. } => {
                    // The deltas follow the chunks immediately: both slices are of the same bytes.
                    let end = chunks.len() - Symbols::after(chunks, count)?.len();
                    writer.put(chunks.get(..end)?)?;
                    writer.put(deltas)
                }
                Statuses::Given(deltas) => {
                    chunks::write(deltas, writer)?;
                    deltas.iter().flatten().try_for_each(|delta| write_delta(*delta, writer))
                }
            }
        })
    }
}

fn write_delta(delta: i16, writer: &mut Writer<'_>) -> Option<()> {
    match Symbol::of(Some(delta)) {
        Symbol::Small => writer.u8(delta as u8),
        _ => writer.u16(delta as u16),
    }
}

impl PartialEq for TransportFeedback<'_> {
    fn eq(&self, other: &Self) -> bool {
        let fields = |f: &Self| (f.sender, f.media, f.base_seq, f.reference_time, f.feedback_count);
        fields(self) == fields(other) && self.deltas().eq(other.deltas())
    }
}

impl Eq for TransportFeedback<'_> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rtcp::{Rtcp, packets};

    const SSRCS: (Ssrc, Ssrc) = (Ssrc::new(1), Ssrc::new(2));

    fn parse(bytes: &[u8]) -> Result<TransportFeedback<'_>, ParseError> {
        match packets(bytes).next() {
            Some(Ok(Rtcp::TransportFeedback(feedback))) => Ok(feedback),
            Some(Err(error)) => Err(error),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn golden_bytes() {
        let deltas = [Some(4), None, Some(-2), Some(300)];
        let feedback = TransportFeedback::new(SSRCS, 0xffff, -2, 7, &deltas);
        let mut buffer = [0xff; 64];
        let len = feedback.write(&mut buffer).unwrap();
        let golden = [
            0x8f, 0xcd, 0x00, 0x06, 0, 0, 0, 1, 0, 0, 0, 2, //
            0xff, 0xff, 0x00, 0x04, 0xff, 0xff, 0xfe, 0x07, //
            0xd2, 0x80, 0x04, 0xff, 0xfe, 0x01, 0x2c, 0x00,
        ];
        assert_eq!(buffer[..len], golden);
        let read = parse(&golden).unwrap();
        assert_eq!(read, feedback);
        let statuses: Vec<_> =
            read.packets().map(|status| (status.seq, status.arrival.map(FeedbackTime::get))).collect();
        assert_eq!(statuses, [(0xffff, Some(-508)), (0, None), (1, Some(-510)), (2, Some(-210))]);
    }

    #[test]
    fn libwebrtc_pads_with_a_count() {
        let bytes = [
            0xaf, 0xcd, 0x00, 0x05, 0, 0, 0, 1, 0, 0, 0, 2, //
            0x00, 0x05, 0x00, 0x01, 0x00, 0x00, 0x01, 0x00, 0x20, 0x01, 0x08, 0x01,
        ];
        let read = parse(&bytes).unwrap();
        assert_eq!(
            read.packets().collect::<Vec<_>>(),
            [PacketStatus { seq: 5, arrival: Some(FeedbackTime::new(264)) }]
        );
    }

    #[test]
    fn without_packets_or_with_missing_deltas_it_is_refused() {
        let mut bytes = [
            0x8f, 0xcd, 0x00, 0x05, 0, 0, 0, 1, 0, 0, 0, 2, //
            0x00, 0x05, 0x00, 0x02, 0x00, 0x00, 0x01, 0x00, 0x20, 0x02, 0x08, 0x08,
        ];
        assert!(parse(&bytes).is_ok());
        bytes[20] = 0x40; // large deltas
        assert_eq!(parse(&bytes), Err(ParseError::TooShort));
        bytes[15] = 0;
        assert_eq!(parse(&bytes), Err(ParseError::Value));
        assert_eq!(TransportFeedback::new(SSRCS, 0, 0, 0, &[]).write(&mut bytes), None);
    }

    #[test]
    fn the_clock_wraps_after_24_bits_of_reference_time() {
        let before = FeedbackTime::new((1 << 23) * 256 - 4);
        let after = FeedbackTime::new(-(1 << 23) * 256 + 4);
        assert_eq!(after.micros_since(before), 2_000);
        assert_eq!(before.micros_since(after), -2_000);
    }

    fn deltas() -> impl Strategy<Value = Vec<Option<i16>>> {
        let delta = prop_oneof![
            3 => Just(None),
            10 => (0i16..256).prop_map(Some),
            2 => any::<i16>().prop_map(Some),
        ];
        let run = (delta, 1usize..40).prop_map(|(delta, len)| vec![delta; len]);
        prop::collection::vec(run, 1..30).prop_map(|runs| runs.concat())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            base: u16, reference in -(1i32 << 23)..1 << 23, count: u8, deltas in deltas(),
        ) {
            let feedback = TransportFeedback::new(SSRCS, base, reference, count, &deltas);
            let mut buffer = [0; 4096];
            let len = feedback.write(&mut buffer).unwrap();
            let read = parse(&buffer[..len]).unwrap();
            prop_assert_eq!(read, feedback);
            prop_assert_eq!(read.packets().count(), deltas.len());
            let mut again = [0; 4096];
            prop_assert_eq!(read.write(&mut again), Some(len));
            prop_assert_eq!(&again[..len], &buffer[..len]);
        }

        #[test]
        fn random_chunks_never_panic(base: u16, count in 1u16..400, tail in prop::collection::vec(any::<u8>(), 0..120)) {
            let mut bytes = vec![0x8f, 0xcd, 0, (4 + tail.len() / 4) as u8, 0, 0, 0, 1, 0, 0, 0, 2];
            bytes.extend(base.to_be_bytes());
            bytes.extend(count.to_be_bytes());
            bytes.extend([0, 0, 1, 0]);
            bytes.extend(&tail[..tail.len() / 4 * 4]);
            if let Ok(feedback) = parse(&bytes) {
                prop_assert_eq!(feedback.packets().count(), usize::from(count));
            }
        }
    }
}

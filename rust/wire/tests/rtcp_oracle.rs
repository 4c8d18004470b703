//! Differential test against `rtcp-types`, an RTCP library that shares nothing with ours: what we write it reads alike,
//! and where both accept the same mutated bytes both read the same.

#![allow(clippy::unwrap_used, missing_docs)]

use proptest::prelude::*;
use rtcp_types::prelude::*;
use rtcp_types::{self as oracle, Packet, TwccPacketStatus};
use sfu_wire::rtcp::{
    Bye, CompoundWriter, DlrrReport, Fir, FirEntry, List, Nack, NackPair, Pli, ReceiverReport, ReportBlock, Rtcp, Sdes,
    SdesChunk, SenderReport, TransportFeedback, Xr, XrBlock, XrBlocks, packets,
};
use sfu_wire::{NtpTime, Ssrc};

/// What a packet says, in words that both libraries can produce.
type Words = Vec<String>;

fn ours(datagram: &[u8]) -> Option<Words> {
    let [packet] = packets(datagram).collect::<Vec<_>>()[..] else {
        return None;
    };
    Some(match packet.ok()? {
        Rtcp::SenderReport(sr) => {
            let head =
                format!("sr {} {} {} {} {}", sr.ssrc, sr.ntp.get(), sr.rtp_timestamp, sr.packet_count, sr.octet_count);
            std::iter::once(head).chain(sr.reports.iter().map(our_block)).collect()
        }
        Rtcp::ReceiverReport(rr) => {
            std::iter::once(format!("rr {}", rr.ssrc)).chain(rr.reports.iter().map(our_block)).collect()
        }
        Rtcp::Sdes(sdes) => sdes.chunks().map(|chunk| format!("{} {:?}", chunk.ssrc, chunk.cname)).collect(),
        Rtcp::Bye(bye) => bye.ssrcs.iter().map(|ssrc| ssrc.to_string()).collect(),
        Rtcp::Nack(nack) => {
            let head = format!("nack {} {}", nack.sender, nack.media);
            std::iter::once(head).chain(nack.seqs().map(|seq| seq.to_string())).collect()
        }
        Rtcp::Pli(pli) => vec![format!("pli {} {}", pli.sender, pli.media)],
        Rtcp::Fir(fir) => {
            let entries = fir.entries.iter().map(|entry| format!("{} {}", entry.ssrc, entry.request));
            std::iter::once(format!("fir {}", fir.sender)).chain(entries).collect()
        }
        Rtcp::TransportFeedback(twcc) => {
            let head = format!(
                "twcc {} {} {} {} {}",
                twcc.sender,
                twcc.media,
                twcc.base_seq,
                twcc.reference_time & 0xff_ffff,
                twcc.feedback_count
            );
            std::iter::once(head).chain(twcc.deltas().map(|delta| format!("{delta:?}"))).collect()
        }
        Rtcp::Xr(xr) => {
            let blocks = xr.blocks.iter().flat_map(|block| match block {
                XrBlock::ReceiverReferenceTime(time) => vec![format!("rrtr {}", time.get())],
                XrBlock::Delays(reports) => reports
                    .iter()
                    .map(|report| format!("dlrr {} {} {}", report.ssrc, report.last_rr, report.delay_since_last_rr))
                    .collect(),
                XrBlock::Unknown(_) => vec![],
            });
            std::iter::once(format!("xr {}", xr.sender)).chain(blocks).collect()
        }
        // The oracle does not know REMB.
        _ => return None,
    })
}

fn our_block(block: ReportBlock) -> String {
    format!(
        "{} {} {} {} {} {} {}",
        block.ssrc,
        block.fraction_lost,
        block.cumulative_lost & 0xff_ffff,
        block.highest_seq,
        block.jitter,
        block.last_sr,
        block.delay_since_last_sr
    )
}

fn theirs(datagram: &[u8]) -> Option<Words> {
    Some(match Packet::parse(datagram).ok()? {
        Packet::Sr(sr) => {
            let head = format!(
                "sr {} {} {} {} {}",
                sr.ssrc(),
                sr.ntp_timestamp(),
                sr.rtp_timestamp(),
                sr.packet_count(),
                sr.octet_count()
            );
            std::iter::once(head).chain(sr.report_blocks().map(|block| their_block(&block))).collect()
        }
        Packet::Rr(rr) => std::iter::once(format!("rr {}", rr.ssrc()))
            .chain(rr.report_blocks().map(|block| their_block(&block)))
            .collect(),
        Packet::Sdes(sdes) => sdes.chunks().map(their_chunk).collect(),
        Packet::Bye(bye) => bye.ssrcs().map(|ssrc| ssrc.to_string()).collect(),
        Packet::TransportFeedback(feedback) => {
            let ssrcs = format!("{} {}", feedback.sender_ssrc(), feedback.media_ssrc());
            if let Ok(nack) = feedback.parse_fci::<oracle::Nack<'_>>() {
                let head = format!("nack {ssrcs}");
                std::iter::once(head).chain(nack.entries().map(|seq| seq.to_string())).collect()
            } else {
                their_twcc(&ssrcs, &feedback.parse_fci().ok()?)?
            }
        }
        Packet::PayloadFeedback(feedback) => {
            if feedback.parse_fci::<oracle::Pli<'_>>().is_ok() {
                vec![format!("pli {} {}", feedback.sender_ssrc(), feedback.media_ssrc())]
            } else {
                let fir = feedback.parse_fci::<oracle::Fir<'_>>().ok()?;
                let entries = fir.entries().map(|entry| format!("{} {}", entry.ssrc(), entry.sequence()));
                std::iter::once(format!("fir {}", feedback.sender_ssrc())).chain(entries).collect()
            }
        }
        Packet::Xr(xr) => {
            let mut words = vec![format!("xr {}", xr.sender_ssrc())];
            for block in xr.block_iter() {
                words.extend(their_xr_block(&block)?);
            }
            words
        }
        _ => return None,
    })
}

fn their_block(block: &oracle::ReportBlock<'_>) -> String {
    format!(
        "{} {} {} {} {} {} {}",
        block.ssrc(),
        block.fraction_lost(),
        block.cumulative_lost(),
        block.extended_sequence_number(),
        block.interarrival_jitter(),
        block.last_sender_report_timestamp(),
        block.delay_since_last_sender_report_timestamp()
    )
}

fn their_chunk(chunk: &oracle::SdesChunk<'_>) -> String {
    let cname = chunk.items().filter(|item| item.type_() == oracle::SdesItem::CNAME).last();
    format!("{} {:?}", chunk.ssrc(), cname.map_or(&[][..], oracle::SdesItem::value))
}

fn their_twcc(ssrcs: &str, twcc: &oracle::Twcc<'_>) -> Option<Words> {
    let (base, time, count) = (twcc.base_sequence_number(), twcc.reference_time(), twcc.feedback_packet_count());
    let mut words = vec![format!("twcc {ssrcs} {base} {time} {count}")];
    for packet in twcc.packets() {
        let delta = match packet.ok()?.1 {
            TwccPacketStatus::NotReceived => None,
            TwccPacketStatus::Received { delta } => Some(delta),
        };
        words.push(format!("{delta:?}"));
    }
    Some(words)
}

/// `None` for blocks that the oracle does not understand; it takes delay blocks of one report only.
fn their_xr_block(block: &oracle::XrBlock<'_>) -> Option<Words> {
    if let Ok(time) = block.parse_into::<oracle::ReceiverReferenceTime<'_>>() {
        return Some(vec![format!("rrtr {}", time.ntp_timestamp())]);
    }
    let delays = block.parse_into::<oracle::DelaySinceLastReceiverReport<'_>>().ok()?;
    let words = delays.block_iter().map(|report| {
        format!(
            "dlrr {} {} {}",
            report.ssrc(),
            report.last_receiver_report(),
            report.delay_since_last_receiver_report_timestamp()
        )
    });
    Some(words.collect())
}

/// The bytes of one random packet, as our writers write it.
fn written() -> impl Strategy<Value = Vec<u8>> {
    let ssrc = any::<u32>().prop_map(Ssrc::new);
    let block =
        (ssrc.clone(), any::<u8>(), any::<i32>(), any::<[u32; 4]>()).prop_map(|(ssrc, fraction, lost, rest)| {
            let [highest_seq, jitter, last_sr, delay_since_last_sr] = rest;
            let cumulative_lost = lost >> 8;
            ReportBlock {
                ssrc,
                fraction_lost: fraction,
                cumulative_lost,
                highest_seq,
                jitter,
                last_sr,
                delay_since_last_sr,
            }
        });
    let blocks = prop::collection::vec(block, 0..32);
    let delta = prop_oneof![Just(None), (0i16..256).prop_map(Some), any::<i16>().prop_map(Some)];
    let runs = prop::collection::vec((delta, 1usize..30), 1..12);
    // The oracle takes the leading zeroes of an SSRC for padding of the chunk before it.
    let named = (1u32 << 24..=u32::MAX).prop_map(Ssrc::new);
    let cnames = prop::collection::vec((named, "[a-z]{1,20}"), 1..5);
    prop_oneof![
        (ssrc.clone(), any::<u64>(), any::<[u32; 3]>(), blocks.clone()).prop_map(|(ssrc, ntp, counts, blocks)| {
            let [rtp_timestamp, packet_count, octet_count] = counts;
            let (ntp, reports) = (NtpTime::new(ntp), List::from(&blocks[..]));
            bytes(&SenderReport { ssrc, ntp, rtp_timestamp, packet_count, octet_count, reports })
        }),
        (ssrc.clone(), blocks)
            .prop_map(|(ssrc, blocks)| bytes(&ReceiverReport { ssrc, reports: List::from(&blocks[..]) })),
        cnames.prop_map(|cnames| {
            let chunks: Vec<_> =
                cnames.iter().map(|(ssrc, cname)| SdesChunk { ssrc: *ssrc, cname: cname.as_bytes() }).collect();
            bytes(&Sdes::new(&chunks))
        }),
        prop::collection::vec(ssrc.clone(), 1..32).prop_map(|ssrcs| bytes(&Bye { ssrcs: List::from(&ssrcs[..]) })),
        (ssrc.clone(), ssrc.clone(), prop::collection::vec(any::<(u16, u16)>(), 1..20)).prop_map(
            |(sender, media, pairs)| {
                let pairs: Vec<_> = pairs.into_iter().map(|(first, following)| NackPair { first, following }).collect();
                bytes(&Nack { sender, media, pairs: List::from(&pairs[..]) })
            }
        ),
        (ssrc.clone(), ssrc.clone()).prop_map(|(sender, media)| bytes(&Pli { sender, media })),
        (ssrc.clone(), prop::collection::vec((ssrc.clone(), any::<u8>()), 1..6)).prop_map(|(sender, entries)| {
            let entries: Vec<_> = entries.into_iter().map(|(ssrc, request)| FirEntry { ssrc, request }).collect();
            bytes(&Fir { sender, entries: List::from(&entries[..]) })
        }),
        (ssrc.clone(), ssrc.clone(), any::<u16>(), any::<i32>(), any::<u8>(), runs).prop_map(
            |(sender, media, base, time, count, runs)| {
                let deltas: Vec<_> = runs.into_iter().flat_map(|(delta, len)| vec![delta; len]).collect();
                bytes(&TransportFeedback::new((sender, media), base, time >> 8, count, &deltas))
            }
        ),
        (ssrc.clone(), any::<u64>(), (ssrc, any::<u32>(), any::<u32>())).prop_map(
            |(sender, ntp, (ssrc, last_rr, delay_since_last_rr))| {
                let reports = [DlrrReport { ssrc, last_rr, delay_since_last_rr }];
                let blocks =
                    [XrBlock::ReceiverReferenceTime(NtpTime::new(ntp)), XrBlock::Delays(List::from(&reports[..]))];
                bytes(&Xr { sender, blocks: XrBlocks::new(&blocks) })
            }
        ),
    ]
}

fn bytes(packet: &impl sfu_wire::rtcp::WriteRtcp) -> Vec<u8> {
    let mut buffer = [0; 2048];
    let mut writer = CompoundWriter::new(&mut buffer);
    assert!(writer.push(packet));
    writer.as_bytes().to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_we_write_the_oracle_reads_alike(packet in written()) {
        let words = ours(&packet);
        prop_assert!(words.is_some());
        prop_assert_eq!(words, theirs(&packet));
    }

    #[test]
    fn mutated_packets_read_alike_where_both_accept(
        mut packet in written(),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        for (index, value) in mutations {
            // Version, padding and length stay: which of them are tolerated is a matter of taste.
            let index = index.index(packet.len());
            match index {
                0 => packet[0] = packet[0] & 0xe0 | value & 0x1f,
                2 | 3 => {}
                _ => packet[index] = value,
            }
        }
        prop_assume!(packet[1] != 202, "the oracle misreads chunks, see `written`");
        if let (Some(ours), Some(theirs)) = (ours(&packet), theirs(&packet)) {
            prop_assert_eq!(ours, theirs);
        }
    }
}

//! RTCP: every packet of a compound is read to its end, and written from what was read it reads the same.

use sfu_wire::rtcp::{CompoundWriter, Rtcp, WriteRtcp, XrBlock, is_rtcp, packets};

/// More than any datagram, written in full.
const LONGEST: usize = 1 << 18;

pub(crate) fn run(bytes: &[u8]) {
    let _ = is_rtcp(bytes);
    let mut count = 0;
    for packet in packets(bytes) {
        count += 1;
        if let Ok(packet) = packet {
            contents(&packet);
        }
    }
    assert!(count <= bytes.len() / 4 + 1, "each takes four bytes, the last may be cut");
}

fn contents(packet: &Rtcp<'_>) {
    match packet {
        Rtcp::SenderReport(report) => settles(packet, report),
        Rtcp::ReceiverReport(report) => settles(packet, report),
        Rtcp::Sdes(sdes) => {
            assert!(sdes.chunks().all(|chunk| chunk.cname.len() <= 255));
            settles(packet, sdes);
        }
        Rtcp::Bye(bye) => settles(packet, bye),
        Rtcp::Nack(nack) => {
            assert!(nack.seqs().count() <= nack.pairs.iter().count() * 17);
            settles(packet, nack);
        }
        Rtcp::Pli(pli) => settles(packet, pli),
        Rtcp::Fir(fir) => settles(packet, fir),
        Rtcp::Remb(remb) => {
            // A mantissa and an exponent say a rate in more than one way, and a rate above 64 bits not at all.
            let buffer = written(remb);
            let Some(Ok(Rtcp::Remb(again))) = packets(&buffer).next() else { panic!("what is written is read") };
            assert!(again.bitrate <= remb.bitrate && again.ssrcs == remb.ssrcs);
        }
        Rtcp::TransportFeedback(feedback) => {
            assert_eq!(feedback.packets().count(), feedback.packet_count());
            assert_eq!(feedback.deltas().count(), feedback.packet_count());
            settles(packet, feedback);
        }
        Rtcp::Xr(xr) => {
            // Blocks of unknown types are not written.
            let buffer = written(xr);
            let Some(Ok(Rtcp::Xr(again))) = packets(&buffer).next() else { panic!("what is written is read") };
            let known = xr.blocks.iter().filter(|block| !matches!(block, XrBlock::Unknown(_)));
            assert!(again.blocks.iter().eq(known));
        }
        _ => {}
    }
}

/// What was read is written and read again.
fn settles(packet: &Rtcp<'_>, writable: &impl WriteRtcp) {
    let buffer = written(writable);
    let again: Vec<_> = packets(&buffer).collect();
    assert_eq!(again, [Ok(*packet)]);
}

fn written(writable: &impl WriteRtcp) -> Vec<u8> {
    let mut buffer = vec![0; LONGEST];
    let mut writer = CompoundWriter::new(&mut buffer);
    assert!(writer.push(writable), "it came from a datagram");
    writer.as_bytes().to_vec()
}

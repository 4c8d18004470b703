//! The same datagram through every format and link type, and files that are none.

use std::time::Duration;

use super::*;

const PAYLOAD: &[u8] = &[0x80, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xaa];

fn udp(payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x13, 0x88, 0x13, 0x8a];
    bytes.extend((payload.len() as u16 + 8).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(payload);
    bytes
}

fn ipv4(payload: &[u8]) -> Vec<u8> {
    let udp = udp(payload);
    let mut bytes = vec![0x45, 0];
    bytes.extend((20 + udp.len() as u16).to_be_bytes());
    bytes.extend([0, 0, 0x40, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 2]);
    bytes.extend(udp);
    bytes
}

/// With a hop-by-hop header of eight bytes.
fn ipv6(payload: &[u8]) -> Vec<u8> {
    let udp = udp(payload);
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend((8 + udp.len() as u16).to_be_bytes());
    bytes.extend([0, 64]);
    bytes.extend([0; 15]);
    bytes.push(1);
    bytes.extend([0; 15]);
    bytes.push(2);
    bytes.extend([17, 0, 1, 4, 0, 0, 0, 0]);
    bytes.extend(udp);
    bytes
}

/// Every link type with a frame of it.
fn frames() -> Vec<(u32, Vec<u8>)> {
    let behind = |header: &[u8], packet: Vec<u8>| [header, &packet].concat();
    let mut cooked = [0; 16];
    cooked[14] = 8;
    let mut cooked_v2 = [0; 20];
    cooked_v2[0] = 8;
    vec![
        (0, behind(&[2, 0, 0, 0], ipv4(PAYLOAD))),
        (108, behind(&[0, 0, 0, 30], ipv6(PAYLOAD))),
        (1, behind(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0], ipv4(PAYLOAD))),
        (1, behind(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x81, 0, 0, 5, 0x86, 0xdd], ipv6(PAYLOAD))),
        (101, ipv4(PAYLOAD)),
        (12, ipv6(PAYLOAD)),
        (228, ipv4(PAYLOAD)),
        (229, ipv6(PAYLOAD)),
        (113, behind(&cooked, ipv4(PAYLOAD))),
        (276, behind(&cooked_v2, ipv4(PAYLOAD))),
    ]
}

fn number(big_endian: bool, number: u32) -> [u8; 4] {
    if big_endian { number.to_be_bytes() } else { number.to_le_bytes() }
}

fn pcap(big_endian: bool, magic: u32, link_type: u32, frames: &[(u32, u32, &[u8])]) -> Vec<u8> {
    let n = |value| number(big_endian, value);
    let mut file = [n(magic), n(0x0002_0004), n(0), n(0), n(65_535), n(link_type)].concat();
    for (seconds, fraction, frame) in frames {
        let len = frame.len() as u32;
        file.extend([n(*seconds), n(*fraction), n(len), n(len)].concat());
        file.extend(*frame);
    }
    file
}

fn block(big_endian: bool, kind: u32, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let length = number(big_endian, body.len() as u32 + 12);
    [&number(big_endian, kind)[..], &length, &body, &length].concat()
}

fn pcapng(big_endian: bool, link_type: u16, resolution: Option<u8>, frames: &[(u64, &[u8])]) -> Vec<u8> {
    let n = |value| number(big_endian, value);
    let short = |value: u16| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
    let section = [&n(0x1a2b_3c4d)[..], &short(1), &short(0), &[0xff; 8]].concat();
    let mut interface = [&short(link_type)[..], &short(0), &n(0)].concat();
    if let Some(resolution) = resolution {
        interface.extend([&short(2)[..], &short(3), b"eth\0", &short(9), &short(1), &[resolution, 0, 0, 0]].concat());
        interface.extend([0; 4]);
    }
    let mut file = [block(big_endian, 0x0a0d_0d0a, &section), block(big_endian, 1, &interface)].concat();
    file.extend(block(big_endian, 0x0000_0bad, &[1, 2, 3, 4]));
    for (at, frame) in frames {
        let len = n(frame.len() as u32);
        let body = [&n(0)[..], &n((at >> 32) as u32), &n(*at as u32), &len, &len, frame].concat();
        file.extend(block(big_endian, 6, &body));
    }
    file
}

fn only(capture: &Capture) -> &Record {
    assert_eq!((capture.records.len(), capture.cut), (1, false), "{capture:?}");
    &capture.records[0]
}

#[test]
fn every_link_type_and_both_byte_orders() {
    for (link_type, frame) in frames() {
        for big_endian in [false, true] {
            let file = pcap(big_endian, 0xa1b2_c3d4, link_type, &[(1, 2, &frame)]);
            let capture = Capture::parse(&file).unwrap();
            let record = only(&capture);
            assert_eq!(record.bytes, PAYLOAD, "link type {link_type}");
            let (source, target) = record.flow.unwrap();
            assert_eq!((source.port(), target.port()), (5000, 5002));

            let file = pcapng(big_endian, link_type as u16, None, &[(7, &frame)]);
            assert_eq!(only(&Capture::parse(&file).unwrap()).bytes, PAYLOAD, "link type {link_type}");
        }
    }
}

#[test]
fn times_count_from_the_first_packet_and_never_go_back() {
    let frame = ipv4(PAYLOAD);
    let times = |file: &[u8]| -> Vec<Duration> {
        Capture::parse(file).unwrap().records.iter().map(|record| record.at).collect()
    };
    let expected = [0, 500, 500, 1500].map(Duration::from_millis);
    let micros =
        pcap(false, 0xa1b2_c3d4, 101, &[(5, 0, &frame), (5, 500_000, &frame), (5, 1, &frame), (6, 500_000, &frame)]);
    assert_eq!(times(&micros), expected);
    let nanos = pcap(
        true,
        0xa1b2_3c4d,
        101,
        &[(5, 0, &frame), (5, 500_000_000, &frame), (5, 1, &frame), (6, 500_000_000, &frame)],
    );
    assert_eq!(times(&nanos), expected);
    let units: Vec<(u64, &[u8])> = [0, 512, 512, 1536].map(|unit| (unit + 9000, &frame[..])).to_vec();
    assert_eq!(times(&pcapng(false, 101, Some(0x80 | 0x0a), &units)), expected);
    let units: Vec<(u64, &[u8])> = [0, 500, 500, 1500].map(|unit| (unit + 9000, &frame[..])).to_vec();
    assert_eq!(times(&pcapng(true, 101, Some(3), &units)), expected);
}

/// Payloads with these sequence numbers at these milliseconds.
fn numbered(packets: &[(u64, u16)]) -> Capture {
    let frames: Vec<(u64, Vec<u8>)> = packets
        .iter()
        .map(|(at, seq)| (*at, ipv4(&[&PAYLOAD[..2], &seq.to_be_bytes(), &PAYLOAD[4..]].concat())))
        .collect();
    let frames: Vec<(u64, &[u8])> = frames.iter().map(|(at, frame)| (*at, &frame[..])).collect();
    Capture::parse(&pcapng(true, 101, Some(3), &frames)).unwrap()
}

fn course(capture: &Capture) -> Vec<(u128, u8)> {
    capture.records.iter().map(|record| (record.at.as_millis(), record.bytes[3])).collect()
}

#[test]
fn packets_that_a_tool_wrote_in_another_order_are_played_by_their_times() {
    let capture = numbered(&[(9000, 1), (9040, 3), (9020, 2), (9060, 4)]);
    assert_eq!(course(&capture), [(0, 1), (20, 2), (40, 3), (60, 4)]);
    assert!(capture.sorted);
    let at_once = numbered(&[(9020, 4), (9000, 1), (9020, 2), (9020, 3)]);
    assert_eq!(course(&at_once), [(0, 1), (20, 2), (20, 3), (20, 4)]);
}

#[test]
fn a_clock_that_is_set_back_changes_no_order() {
    let capture = numbered(&[(9000, 1), (9040, 2), (9020, 3), (9060, 4)]);
    assert_eq!(course(&capture), [(0, 1), (40, 2), (40, 3), (60, 4)]);
    assert_eq!((capture.sorted, capture.leaps), (false, 0));
}

#[test]
fn a_clock_that_leaps_lets_no_time_pass() {
    const YEARS: u64 = 100_000_000_000;
    let for_good = numbered(&[(9000, 1), (9020, 2), (YEARS, 3), (YEARS + 20, 4)]);
    assert_eq!(course(&for_good), [(0, 1), (20, 2), (20, 3), (40, 4)]);
    let and_back = numbered(&[(9000, 1), (9020, 2), (YEARS, 3), (YEARS + 20, 4), (9060, 5), (9080, 6)]);
    assert_eq!(course(&and_back)[4..], [(60, 5), (80, 6)]);
    assert_eq!((for_good.leaps, and_back.leaps), (1, 2));
    let from_the_first = numbered(&[(YEARS, 1), (9000, 2), (9020, 3)]);
    assert_eq!(course(&from_the_first), [(0, 1), (0, 2), (20, 3)]);
}

#[test]
fn what_a_snapshot_length_cut_is_counted() {
    let whole = ipv4(PAYLOAD);
    let cut: Vec<&[u8]> = vec![&whole[..whole.len() - 1], &whole[..24]];
    let file = pcap(false, 0xa1b2_c3d4, 101, &[(0, 0, cut[0]), (0, 0, &whole), (0, 0, cut[1])]);
    let capture = Capture::parse(&file).unwrap();
    assert_eq!((capture.records.len(), capture.skipped, capture.snipped), (1, 0, 2));
}

#[test]
fn what_is_no_udp_is_skipped() {
    let mut tcp = ipv4(PAYLOAD);
    tcp[9] = 6;
    let mut fragment = ipv4(PAYLOAD);
    fragment[7] = 1;
    let file = pcap(false, 0xa1b2_c3d4, 101, &[(0, 0, &tcp), (0, 0, &fragment), (0, 0, &[]), (0, 0, &ipv4(PAYLOAD))]);
    let capture = Capture::parse(&file).unwrap();
    assert_eq!((capture.records.len(), capture.skipped), (1, 3));
}

#[test]
fn rtpdump_leads_back() {
    let at = Duration::from_millis(1234);
    let file = write_rtpdump([(Duration::ZERO, false, PAYLOAD), (at, true, &[0x80, 200, 0, 0][..])]);
    let capture = Capture::parse(&file).unwrap();
    assert_eq!(capture.records.len(), 2);
    assert_eq!((capture.records[0].rtcp, capture.records[0].bytes.as_slice()), (None, PAYLOAD));
    assert_eq!((capture.records[1].rtcp, capture.records[1].at), (Some(true), at));
}

#[test]
fn a_cut_file_keeps_what_is_whole() {
    let frame = ipv4(PAYLOAD);
    let files = [
        write_rtpdump([(Duration::ZERO, false, PAYLOAD); 2]),
        pcap(false, 0xa1b2_c3d4, 101, &[(0, 0, &frame), (0, 0, &frame)]),
        pcapng(true, 101, None, &[(0, &frame), (0, &frame)]),
    ];
    for file in files {
        let capture = Capture::parse(&file[..file.len() - 3]).unwrap();
        assert_eq!((capture.records.len(), capture.cut), (1, true));
        for len in 0..file.len() {
            let _ = Capture::parse(&file[..len]);
        }
    }
}

#[test]
fn what_is_no_capture_says_what_it_is() {
    let error = Capture::parse(b"RIFF....").unwrap_err();
    assert!(error.to_string().contains("begins with 52 49 46 46"), "{error}");
    assert!(Capture::parse(b"").unwrap_err().to_string().contains("nothing"));
    let file = pcap(false, 0xa1b2_c3d4, 105, &[(0, 0, PAYLOAD)]);
    assert_eq!(Capture::parse(&file), Err(CaptureError::LinkType(105)));
}

#[test]
fn damaged_bytes_never_panic() {
    let frame = ipv4(PAYLOAD);
    let files = [
        write_rtpdump([(Duration::ZERO, false, PAYLOAD); 3]),
        pcap(false, 0xa1b2_c3d4, 1, &[(0, 0, &frame), (0, 0, &frame)]),
        pcapng(true, 276, Some(6), &[(0, &frame), (0, &frame)]),
    ];
    let mut random = crate::Random::new(11);
    for mut file in files {
        for _ in 0..5000 {
            let at = random.below(file.len() as u64) as usize;
            let before = std::mem::replace(&mut file[at], random.next() as u8);
            let _ = Capture::parse(&file);
            file[at] = before;
        }
    }
}

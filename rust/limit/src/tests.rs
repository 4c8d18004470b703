//! That the keys seal, the plan sends everything, and nonsense is refused.

use super::*;

fn parse(line: &str) -> Result<Options, String> {
    Options::parse(&line.split_whitespace().map(String::from).collect::<Vec<_>>())
}

#[test]
fn what_cannot_be_measured_is_refused_with_a_sentence() {
    for (line, word) in [
        ("--frame", "wants a value"),
        ("--frame x", "--frame wants a number of 1 to 64, not x"),
        ("--frame 0", "of 1 to 64"),
        ("--frame 65", "of 1 to 64"),
        ("--bytes 44", "of 45 to 2048"),
        ("--frame 64", "--bytes wants a number of 45 to 1023, not 1200"),
        ("--rate 0", "--rate wants"),
        ("--seconds 0", "--seconds wants"),
        ("--destinations 0", "--destinations wants"),
        ("--to 127.0.0.1:65500 --destinations 37", "of 1 to 36"),
        ("--to localhost", "--to wants an IPv4 address"),
        ("--cipher rot13", "--cipher wants gcm, sha1 or none"),
        ("--way pigeon", "--way wants sendto or"),
        ("--core 5000", "--core wants"),
        ("--speed 3", "--speed is not an option"),
    ] {
        let sentence = parse(line).expect_err(line);
        assert!(sentence.contains(word), "{line}: {sentence}");
    }
    assert_eq!(parse("--cipher sha1 --bytes 1200").unwrap().clear(), 1190);
}

#[test]
fn a_packet_is_sealed_with_its_destinations_key_and_number() {
    for cipher in [CIPHERS[0], CIPHERS[1]] {
        let (clear, mut packets) = (vec![9; 200], Vec::new());
        for number in [1, 2] {
            let mut destination = Destination::new(cipher, number);
            for _ in 0..2 {
                let mut out = vec![0; clear.len() + cipher.tag];
                destination.write(&clear, &mut out);
                assert_eq!(out[8..12], (number as u32 + 1).to_be_bytes(), "the header stays in the clear");
                assert_ne!(out[HEADER..clear.len()], clear[HEADER..], "the payload does not");
                packets.push(out.split_off(HEADER));
            }
        }
        packets.sort();
        packets.dedup();
        assert_eq!(packets.len(), 4, "no two alike");
    }
}

#[test]
fn a_control_message_is_laid_out_as_the_kernel_wants_it() {
    let control = segment_control(1200);
    // SAFETY: these only compute; the header is read out of three words that hold one.
    let (len, space, header) = unsafe {
        let len = libc::CMSG_LEN(size_of::<u16>() as u32);
        (len, libc::CMSG_SPACE(size_of::<u16>() as u32), control.as_ptr().cast::<libc::cmsghdr>().read())
    };
    assert_eq!(space as usize, size_of_val(&control));
    assert_eq!(header.cmsg_len, len as usize);
    assert_eq!((header.cmsg_level, header.cmsg_type), (libc::SOL_UDP, libc::UDP_SEGMENT));
    assert_eq!(control[2].to_ne_bytes()[..2], 1200_u16.to_ne_bytes());
}

#[test]
fn every_way_sends_every_datagram() {
    let options = parse("--destinations 3 --frame 4 --rate 4000 --seconds 1 --bytes 100").unwrap();
    let sockets: Vec<_> = (0..options.destinations).map(|_| udp_socket(Ipv4Addr::LOCALHOST)).collect();
    let names: Vec<_> = sockets.iter().map(own_name).collect();
    for way in &WAYS {
        let mut outgoing = Outgoing::new(&options, way);
        for name in &names {
            for _ in 0..options.frame / outgoing.run {
                outgoing.message(name);
            }
        }
        outgoing.flush();
        assert_eq!(outgoing.sent, 12, "{}", way.name);
        for socket in &sockets {
            let mut bytes = [0; MAX_DATAGRAM];
            socket.set_nonblocking(true).unwrap();
            for _ in 0..options.frame {
                assert_eq!(socket.recv(&mut bytes).unwrap(), 100, "{}", way.name);
            }
        }
    }
}

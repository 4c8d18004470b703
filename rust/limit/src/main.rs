//! The physical limit of a fan-out: copies, patches, seals and sends packets, and does nothing else.
//!
//! One thread sends frames at a fixed rate to many addresses, as a server does whose publisher sends whole frames; another
//! reads and drops them every millisecond, or nobody does (`--to`). It imports nothing but libc and aws-lc-rs and shares no line with the
//! server, so whoever doubts the figure can read all of it here.
//!
//! ```text
//! limit [--to ADDRESS:PORT] [--destinations 200] [--frame 8] [--rate 300] [--bytes 1200] [--seconds 5]
//!       [--cipher gcm|sha1|none] [--way NAME] [--core N] [--reader-core N]
//! ```
//! `--rate` counts packets a second to each destination, `--bytes` a whole datagram with header and tag. Without `--to` the
//! destinations are sockets of its own on 127.0.0.1; with it they are that address's ports from PORT up. `--way` takes one of
//! the ways to send alone.
//!
//! Prints one line of JSON: nanoseconds of the sending thread's time on a processor per packet for each way to send; the best
//! of them is the limit. `*_late` is the share of frames that began after the next one was due: such a run was not at its
//! rate. With `--to` it tells how many datagrams it `sent` in all, for whoever counts them at the far end.
//!
//! Sealing is what RFC 7714 and RFC 3711 cost, not what they say: keys are made up and nobody opens the packets.
#![allow(unsafe_code, reason = "it speaks to the kernel by itself, with nothing of ours between")]
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for figures")]

#[cfg(test)]
mod tests;

use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use std::{process, ptr, thread};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;

/// RTP's fixed header and a one-byte extension block with a transport-wide number, a mid and a send time.
const HEADER: usize = 12 + 4 + 12;
const GCM_TAG: usize = 16;
const SHA1_TAG: usize = 10;
/// Datagrams of one message that the kernel cuts (udp(7)), and the bytes of any message.
const MAX_SEGMENTS: usize = 64;
const MAX_MESSAGE: usize = 65_507;
/// Frames that warm caches and tables before time is taken.
const WARM_UP: u64 = 10;
/// Between looks into the sockets of the destinations. Nobody waits in the kernel for a datagram, so that no sender pays for
/// waking a reader; the peers that read beside a server do the same.
const READ_EVERY: Duration = Duration::from_millis(1);
/// RTP's version, in the first byte of a packet.
const RTP: u8 = 0x80;
/// Ways to send. Many messages a call save system calls and cost cache: a few sizes are tried.
const WAYS: [Way; 5] = [
    Way { name: "sendto", cuts: false, messages: 1 },
    Way { name: "sendmmsg", cuts: false, messages: 64 },
    Way { name: "gso", cuts: true, messages: 1 },
    Way { name: "gso_by_8", cuts: true, messages: 8 },
    Way { name: "gso_by_64", cuts: true, messages: 64 },
];

#[derive(Debug)]
struct Options {
    to: Option<SocketAddrV4>,
    destinations: usize,
    frame: usize,
    rate: usize,
    bytes: usize,
    seconds: u64,
    cipher: Cipher,
    way: Option<Way>,
    core: Option<usize>,
    reader_core: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cipher {
    Gcm,
    Sha1,
    None,
}

/// How datagrams reach the kernel.
#[derive(Debug, Clone, Copy)]
struct Way {
    name: &'static str,
    /// A frame's datagrams to one destination are one message, which the kernel cuts (`UDP_SEGMENT`).
    cuts: bool,
    /// Messages of one sendmmsg(2); one is a sendto(2) if nothing is cut.
    messages: usize,
}

/// What a run has cost.
struct Cost {
    nanos_per_packet: f64,
    sent: u64,
    /// Share of the frames that began when the next one was due.
    late: f64,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let measured = Options::parse(&words).and_then(|options| measure(&options));
    match measured {
        Ok(line) => println!("{line}"),
        Err(sentence) => {
            eprintln!("{sentence}");
            process::exit(2);
        }
    }
}

fn measure(options: &Options) -> Result<String, String> {
    let reader = Arc::new(Reader::default());
    let sockets = if options.to.is_none() { receivers(options.destinations) } else { Vec::new() };
    let names: Vec<libc::sockaddr_in> = match options.to {
        Some(to) => (0..options.destinations).map(|n| name(*to.ip(), to.port() + n as u16)).collect(),
        None => sockets.iter().map(own_name).collect(),
    };
    let reading = (!sockets.is_empty()).then(|| {
        let (reader, core) = (Arc::clone(&reader), options.reader_core);
        thread::spawn(move || pin(core).map(|()| reader.run(&sockets)))
    });
    pin(options.core)?;
    let mut fields = vec![
        format!("\"seal\": {:.1}", bare_seal(options)),
        format!("\"sendto\": {:.1}", bare_sendto(options, &names)),
    ];
    let mut best = f64::INFINITY;
    let mut all = sent_bare(&names);
    // What is on its way is read within this time.
    let settle = || thread::sleep(Duration::from_millis(100));
    settle();
    for way in options.ways() {
        let before = reader.read.load(Ordering::Relaxed);
        let Cost { nanos_per_packet, sent, late } = run(options, way, &names);
        settle();
        let read = reader.read.load(Ordering::Relaxed) - before;
        best = best.min(nanos_per_packet);
        all += sent;
        fields.push(format!("\"by_{0}\": {nanos_per_packet:.1}, \"by_{0}_late\": {late:.4}", way.name));
        if options.to.is_none() {
            fields.push(format!("\"by_{}_loss\": {:.5}", way.name, 1.0 - read as f64 / sent as f64));
        }
    }
    if options.to.is_some() {
        fields.push(format!("\"sent\": {all}"));
    }
    reader.stop.store(true, Ordering::Relaxed);
    reading.map_or(Ok(()), |reading| reading.join().expect("it does not panic"))?;
    Ok(format!("{{\"limit_ns_per_packet\": {best:.1}, {}}}", fields.join(", ")))
}

impl Options {
    fn parse(words: &[String]) -> Result<Self, String> {
        let mut options = Self {
            to: None,
            destinations: 200,
            frame: 8,
            rate: 300,
            bytes: 1200,
            seconds: 5,
            cipher: Cipher::Gcm,
            way: None,
            core: None,
            reader_core: None,
        };
        for pair in words.chunks(2) {
            let [word, value] = pair else { return Err(format!("{} wants a value", pair[0])) };
            let number = || value.parse::<usize>().map_err(|_| format!("{word} wants a number, not {value}"));
            match word.as_str() {
                "--to" => {
                    let to = value.parse();
                    options.to = Some(to.map_err(|_| format!("--to wants an IPv4 address and a port, not {value}"))?);
                }
                "--destinations" => options.destinations = number()?,
                "--frame" => options.frame = number()?,
                "--rate" => options.rate = number()?,
                "--bytes" => options.bytes = number()?,
                "--seconds" => options.seconds = number()? as u64,
                "--way" => {
                    let names = || WAYS.map(|way| way.name).join(", ");
                    let way = WAYS.into_iter().find(|way| way.name == value);
                    options.way = Some(way.ok_or_else(|| format!("--way is one of {}, not {value}", names()))?);
                }
                "--core" => options.core = Some(number()?),
                "--reader-core" => options.reader_core = Some(number()?),
                "--cipher" => {
                    options.cipher = match value.as_str() {
                        "gcm" => Cipher::Gcm,
                        "sha1" => Cipher::Sha1,
                        "none" => Cipher::None,
                        _ => return Err(format!("--cipher is gcm, sha1 or none, not {value}")),
                    }
                }
                _ => return Err(format!("{word} is not an option: see the head of rust/limit/src/main.rs")),
            }
        }
        options.check()
    }

    /// Refuses what cannot be measured.
    fn check(self) -> Result<Self, String> {
        let largest = (MAX_MESSAGE / self.frame.max(1)).min(2048);
        let smallest = HEADER + self.tag() + 1;
        if !(1..=MAX_SEGMENTS).contains(&self.frame) {
            return Err(format!("--frame is 1 to {MAX_SEGMENTS}: the kernel cuts no message into more"));
        }
        if !(smallest..=largest).contains(&self.bytes) {
            return Err(format!("--bytes is {smallest} to {largest}: a header, a tag, and a frame in one message"));
        }
        if !(1..=1_000_000).contains(&self.rate) || !(1..=3600).contains(&self.seconds) {
            return Err("--rate is 1 to 1000000 and --seconds 1 to 3600".into());
        }
        // Each destination on loopback is an open file.
        let ports = self.to.map_or(20_000, |to| 65_536 - usize::from(to.port()));
        if !(1..=ports).contains(&self.destinations) {
            return Err(format!("--destinations is 1 to {ports}, one port each"));
        }
        Ok(self)
    }

    /// What is measured.
    fn ways(&self) -> impl Iterator<Item = Way> {
        let only = self.way.map(|way| way.name);
        WAYS.into_iter().filter(move |way| only.is_none_or(|name| name == way.name))
    }

    fn tag(&self) -> usize {
        match self.cipher {
            Cipher::Gcm => GCM_TAG,
            Cipher::Sha1 => SHA1_TAG,
            Cipher::None => 0,
        }
    }

    /// A packet before it is sealed.
    fn clear(&self) -> usize {
        self.bytes - self.tag()
    }
}

/// One destination's keys and numbers.
struct Destination {
    keys: Keys,
    ssrc: u32,
    seq: u64,
}

#[allow(clippy::large_enum_variant, reason = "all destinations have the same kind")]
enum Keys {
    Gcm(LessSafeKey),
    Sha1(EncryptingKey, hmac::Key),
    None,
}

impl Destination {
    fn new(cipher: Cipher, number: usize) -> Self {
        let mut key = [7; 16];
        key[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let keys = match cipher {
            Cipher::Gcm => Keys::Gcm(LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap())),
            Cipher::Sha1 => Keys::Sha1(
                EncryptingKey::ctr(UnboundCipherKey::new(&AES_128, &key).unwrap()).unwrap(),
                hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key),
            ),
            Cipher::None => Keys::None,
        };
        Self { keys, ssrc: number as u32 + 1, seq: 0 }
    }

    /// Copies `clear` into `out`, gives it this destination's numbers, and seals it.
    fn write(&mut self, clear: &[u8], out: &mut [u8]) {
        out[..clear.len()].copy_from_slice(clear);
        self.seq += 1;
        out[2..4].copy_from_slice(&(self.seq as u16).to_be_bytes());
        out[4..8].copy_from_slice(&(self.seq as u32 / 8 * 3000).to_be_bytes());
        out[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        out[17..19].copy_from_slice(&(self.seq as u16).to_be_bytes());
        self.seal(clear.len(), out);
    }

    /// Seals what lies in front of the tag.
    fn seal(&self, clear: usize, out: &mut [u8]) {
        match &self.keys {
            Keys::Gcm(key) => {
                let mut nonce = [3; NONCE_LEN];
                let number = (u64::from(self.ssrc) << 16 ^ self.seq).to_be_bytes();
                nonce[4..].iter_mut().zip(number).for_each(|(byte, mixed)| *byte ^= mixed);
                let (head, rest) = out.split_at_mut(HEADER);
                let (payload, tag) = rest.split_at_mut(clear - HEADER);
                let nonce = Nonce::assume_unique_for_key(nonce);
                key.seal_in_place_scatter(nonce, Aad::from(head), payload, &[], tag).unwrap();
            }
            Keys::Sha1(key, signing) => {
                let mut iv = [5; 16];
                iv[6..14].copy_from_slice(&self.seq.to_be_bytes());
                let context = EncryptionContext::Iv128(FixedLength::from(iv));
                key.less_safe_encrypt(&mut out[HEADER..clear], context).unwrap();
                let mut signing = hmac::Context::with_key(signing);
                signing.update(&out[..clear]);
                signing.update(&((self.seq >> 16) as u32).to_be_bytes());
                out[clear..].copy_from_slice(&signing.sign().as_ref()[..SHA1_TAG]);
            }
            Keys::None => {}
        }
    }
}

/// A packet before it is sealed.
fn packet(filler: u8, len: usize) -> Vec<u8> {
    let mut packet = vec![filler; len];
    packet[0] = RTP;
    packet
}

/// Frames at their rate for the given time.
fn run(options: &Options, way: Way, names: &[libc::sockaddr_in]) -> Cost {
    let socket = udp_socket();
    let mut destinations: Vec<Destination> =
        (0..names.len()).map(|number| Destination::new(options.cipher, number)).collect();
    let clear: Vec<Vec<u8>> = (0..options.frame).map(|n| packet(n as u8, options.clear())).collect();
    let period = 1_000_000_000 * options.frame as u64 / options.rate as u64;
    let frames = (options.seconds * 1_000_000_000 / period).max(1);
    let mut outgoing = Outgoing::new(options, way);
    let (mut due, mut sent, mut warm, mut before, mut late) = (now(libc::CLOCK_MONOTONIC), 0, 0, 0, 0);
    for frame in 0..frames + WARM_UP {
        if frame == WARM_UP {
            (warm, late, before) = (sent, 0, now(libc::CLOCK_THREAD_CPUTIME_ID));
        }
        due += period;
        sleep_until(due);
        late += u64::from(now(libc::CLOCK_MONOTONIC) > due + period);
        for (destination, name) in destinations.iter_mut().zip(names) {
            for packet in &clear {
                destination.write(packet, outgoing.slot(name));
                sent += outgoing.written(&socket);
            }
            sent += outgoing.next_destination(&socket);
        }
        sent += outgoing.flush(&socket);
    }
    let used = now(libc::CLOCK_THREAD_CPUTIME_ID) - before;
    let nanos_per_packet = used as f64 / (sent - warm) as f64;
    Cost { nanos_per_packet, sent, late: late as f64 / frames as f64 }
}

/// The send buffer and the kernel's view of it.
struct Outgoing {
    way: Way,
    datagram: usize,
    buffer: Vec<u8>,
    /// Datagrams written since the last flush.
    filled: usize,
    /// Of them, to the current destination.
    run: usize,
    names: Vec<libc::sockaddr_in>,
    vectors: Vec<libc::iovec>,
    controls: Vec<[u64; 3]>,
    headers: Vec<libc::mmsghdr>,
    /// Datagrams in each message.
    lengths: Vec<usize>,
}

impl Outgoing {
    fn new(options: &Options, way: Way) -> Self {
        let datagram = options.bytes;
        let slots = way.messages * if way.cuts { options.frame } else { 1 };
        Self {
            way,
            datagram,
            buffer: vec![0; datagram * slots],
            filled: 0,
            run: 0,
            names: Vec::new(),
            vectors: Vec::new(),
            controls: Vec::new(),
            headers: Vec::new(),
            lengths: Vec::new(),
        }
    }

    /// Where the next datagram to `name` is written.
    fn slot(&mut self, name: &libc::sockaddr_in) -> &mut [u8] {
        if self.run == 0 {
            self.names.push(*name);
            self.lengths.push(0);
        }
        &mut self.buffer[self.filled * self.datagram..][..self.datagram]
    }

    /// The slot has been written: what goes at once goes now.
    fn written(&mut self, socket: &OwnedFd) -> u64 {
        self.filled += 1;
        self.run += 1;
        *self.lengths.last_mut().unwrap() += 1;
        if self.way.cuts { 0 } else { self.next_destination(socket) }
    }

    /// The current message is complete.
    fn next_destination(&mut self, socket: &OwnedFd) -> u64 {
        self.run = 0;
        if self.lengths.len() == self.way.messages { self.flush(socket) } else { 0 }
    }

    fn flush(&mut self, socket: &OwnedFd) -> u64 {
        let sent = match self.lengths[..] {
            [] => 0,
            [1] => self.send_one(socket),
            _ => self.send_many(socket),
        };
        (self.filled, self.run) = (0, 0);
        self.names.clear();
        self.lengths.clear();
        sent
    }

    fn send_one(&self, socket: &OwnedFd) -> u64 {
        let (bytes, name) = (&self.buffer[..self.datagram], &self.names[0]);
        // SAFETY: bytes and name outlive the call, and their lengths are told.
        let sent = unsafe {
            let name: *const libc::sockaddr_in = name;
            let len = size_of::<libc::sockaddr_in>() as u32;
            libc::sendto(socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0, name.cast(), len)
        };
        assert!(sent >= 0, "{}", std::io::Error::last_os_error());
        1
    }

    fn send_many(&mut self, socket: &OwnedFd) -> u64 {
        self.vectors.clear();
        self.controls.clear();
        self.headers.clear();
        let mut at = 0;
        for &count in &self.lengths {
            let len = count * self.datagram;
            self.vectors.push(libc::iovec { iov_base: self.buffer[at..].as_mut_ptr().cast(), iov_len: len });
            self.controls.push(segment_control(self.datagram as u16));
            at += len;
        }
        for (message, &count) in self.lengths.iter().enumerate() {
            // SAFETY: all zeroes is a header without anything.
            let mut header: libc::mmsghdr = unsafe { zeroed() };
            header.msg_hdr.msg_name = ptr::from_mut(&mut self.names[message]).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
            header.msg_hdr.msg_iov = &raw mut self.vectors[message];
            header.msg_hdr.msg_iovlen = 1;
            if count > 1 {
                header.msg_hdr.msg_control = self.controls[message].as_mut_ptr().cast();
                header.msg_hdr.msg_controllen = size_of::<[u64; 3]>();
            }
            self.headers.push(header);
        }
        let mut done = 0;
        while done < self.headers.len() {
            let rest = &mut self.headers[done..];
            // SAFETY: the headers point into vectors of `self`, which nobody changes before the call returns.
            let count = unsafe { libc::sendmmsg(socket.as_raw_fd(), rest.as_mut_ptr(), rest.len() as u32, 0) };
            assert!(count > 0, "{}", std::io::Error::last_os_error());
            done += count as usize;
        }
        self.filled as u64
    }
}

/// A control message that asks the kernel to cut: `UDP_SEGMENT` (cmsg(3): a length, a level and a kind, the value).
fn segment_control(size: u16) -> [u64; 3] {
    let kind = u64::from(libc::SOL_UDP as u32) | u64::from(libc::UDP_SEGMENT as u32) << 32;
    [16 + 2, kind, u64::from(size)]
}

/// Reads and drops.
#[derive(Default)]
struct Reader {
    read: AtomicU64,
    stop: AtomicBool,
}

impl Reader {
    fn run(&self, sockets: &[OwnedFd]) {
        // SAFETY: plain calls with plain numbers; `events` and `bytes` outlive the calls that write into them.
        unsafe {
            let epoll = libc::epoll_create1(0);
            for (place, socket) in sockets.iter().enumerate() {
                let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: place as u64 };
                assert_eq!(libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, socket.as_raw_fd(), &raw mut event), 0);
            }
            let mut events: Vec<libc::epoll_event> = vec![zeroed(); 256];
            let mut bytes = vec![0u8; 2048];
            while !self.stop.load(Ordering::Relaxed) {
                thread::sleep(READ_EVERY);
                let count = libc::epoll_wait(epoll, events.as_mut_ptr(), 256, 0);
                for event in &events[..count.max(0) as usize] {
                    let socket = sockets[event.u64 as usize].as_raw_fd();
                    while libc::recv(socket, bytes.as_mut_ptr().cast(), bytes.len(), libc::MSG_DONTWAIT) >= 0 {
                        self.read.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
            libc::close(epoll);
        }
    }
}

/// One packet sealed where it lies over and over, each time for the next destination: nanoseconds.
fn bare_seal(options: &Options) -> f64 {
    let mut destinations: Vec<Destination> =
        (0..options.destinations).map(|number| Destination::new(options.cipher, number)).collect();
    let mut out = vec![1; options.bytes];
    let rounds = (200_000 / destinations.len()).max(1);
    let before = now(libc::CLOCK_THREAD_CPUTIME_ID);
    for _ in 0..rounds {
        for destination in &mut destinations {
            destination.seq += 1;
            destination.seal(options.clear(), &mut out);
        }
    }
    (now(libc::CLOCK_THREAD_CPUTIME_ID) - before) as f64 / (rounds * destinations.len()) as f64
}

/// One datagram sent over and over, each to the next destination: nanoseconds.
fn bare_sendto(options: &Options, names: &[libc::sockaddr_in]) -> f64 {
    let socket = udp_socket();
    let mut outgoing = Outgoing::new(options, WAYS[0]);
    outgoing.buffer[0] = RTP;
    let rounds = sent_bare(names) as usize / names.len();
    let before = now(libc::CLOCK_THREAD_CPUTIME_ID);
    for _ in 0..rounds {
        for name in names {
            outgoing.slot(name);
            outgoing.written(&socket);
        }
    }
    (now(libc::CLOCK_THREAD_CPUTIME_ID) - before) as f64 / (rounds * names.len()) as f64
}

/// How many datagrams that takes: whole rounds.
fn sent_bare(names: &[libc::sockaddr_in]) -> u64 {
    ((20_000 / names.len()).max(1) * names.len()) as u64
}

fn receivers(count: usize) -> Vec<OwnedFd> {
    (0..count)
        .map(|_| {
            let socket = udp_socket();
            let any = name(Ipv4Addr::LOCALHOST, 0);
            // SAFETY: the name outlives the call, and its length is told.
            let bound = unsafe { libc::bind(socket.as_raw_fd(), ptr::from_ref(&any).cast(), size_of_val(&any) as u32) };
            assert_eq!(bound, 0, "{}", std::io::Error::last_os_error());
            socket
        })
        .collect()
}

fn udp_socket() -> OwnedFd {
    // SAFETY: a new descriptor has no other owner; the option is an int whose length is told.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        assert!(socket >= 0, "{}", std::io::Error::last_os_error());
        let size: libc::c_int = 4 << 20;
        for option in [libc::SO_RCVBUF, libc::SO_SNDBUF] {
            libc::setsockopt(socket, libc::SOL_SOCKET, option, ptr::from_ref(&size).cast(), size_of_val(&size) as u32);
        }
        OwnedFd::from_raw_fd(socket)
    }
}

fn name(ip: Ipv4Addr, port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) },
        sin_zero: [0; 8],
    }
}

fn own_name(socket: &OwnedFd) -> libc::sockaddr_in {
    // SAFETY: the kernel writes no more than the length that it is told.
    unsafe {
        let mut name: libc::sockaddr_in = zeroed();
        let mut len = size_of_val(&name) as u32;
        assert_eq!(libc::getsockname(socket.as_raw_fd(), ptr::from_mut(&mut name).cast(), &raw mut len), 0);
        name
    }
}

fn pin(core: Option<usize>) -> Result<(), String> {
    let Some(core) = core else { return Ok(()) };
    let refused = || format!("core {core} is not to be had");
    if core >= libc::CPU_SETSIZE as usize {
        return Err(refused());
    }
    // SAFETY: a set of cores is plain bits, which the number lies within; the call reads it.
    let error = unsafe {
        let mut set: libc::cpu_set_t = zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set)
    };
    if error == 0 { Ok(()) } else { Err(refused()) }
}

/// Nanoseconds of a clock.
fn now(clock: libc::clockid_t) -> u64 {
    // SAFETY: the kernel writes one timespec.
    unsafe {
        let mut time: libc::timespec = zeroed();
        libc::clock_gettime(clock, &raw mut time);
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }
}

fn sleep_until(nanos: u64) {
    let time = libc::timespec { tv_sec: (nanos / 1_000_000_000) as i64, tv_nsec: (nanos % 1_000_000_000) as i64 };
    // SAFETY: the time outlives the call. A signal that ends the sleep early costs a frame's distance, nothing else.
    unsafe {
        libc::clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &raw const time, ptr::null_mut());
    }
}

//! The physical limit of a fan-out: copies, patches, seals and sends packets, and does nothing else.
//!
//! One thread sends frames at a fixed rate to many addresses, as a server does whose publisher sends whole frames; another
//! reads and drops them every millisecond, or nobody does (`--to`). It imports nothing but libc and aws-lc-rs and shares no
//! line with the server, so whoever doubts the figure can read all of it here.
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

use std::collections::BTreeMap;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::ops::RangeInclusive;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{process, ptr, thread};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;

/// RTP's fixed header and a one-byte extension block with a transport-wide number, a mid and a send time.
const HEADER: usize = 12 + 4 + 12;
/// RTP's version, in the first byte of a packet.
const RTP: u8 = 0x80;
/// Datagrams of one message that the kernel cuts (udp(7)), and the bytes of any message.
const MAX_SEGMENTS: usize = 64;
const MAX_MESSAGE: usize = 65_507;
const MAX_DATAGRAM: usize = 2048;
/// Frames that warm caches and tables before time is taken.
const WARM_UP: usize = 10;
/// Between looks into the sockets of the destinations. Nobody waits in the kernel for a datagram, so that no sender pays for
/// waking a reader; the peers that read beside a server do the same.
const READ_EVERY: Duration = Duration::from_millis(1);
/// Profiles, with the bytes of their tags.
const CIPHERS: [Cipher; 3] =
    [Cipher { name: "gcm", tag: 16 }, Cipher { name: "sha1", tag: 10 }, Cipher { name: "none", tag: 0 }];
/// Ways to send. Many messages a call save system calls and cost cache: a few sizes are tried.
const WAYS: [Way; 5] = [
    Way { name: "sendto", cuts: false, messages: 1 },
    Way { name: "sendmmsg", cuts: false, messages: 64 },
    Way { name: "gso", cuts: true, messages: 1 },
    Way { name: "gso_by_8", cuts: true, messages: 8 },
    Way { name: "gso_by_64", cuts: true, messages: 64 },
];
/// Datagrams that came to the sockets on loopback.
static READ: AtomicUsize = AtomicUsize::new(0);

#[derive(Debug)]
struct Options {
    to: Option<SocketAddrV4>,
    destinations: usize,
    frame: usize,
    rate: usize,
    bytes: usize,
    seconds: f64,
    cipher: Cipher,
    /// What is measured.
    ways: Vec<Way>,
    core: Option<usize>,
    reader_core: Option<usize>,
}

/// How packets are sealed.
#[derive(Debug, Clone, Copy)]
struct Cipher {
    name: &'static str,
    tag: usize,
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

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let options = Options::parse(&words).unwrap_or_else(|sentence| refuse(&sentence));
    println!("{}", measure(&options));
}

fn refuse(sentence: &str) -> ! {
    eprintln!("{sentence}");
    process::exit(2);
}

fn measure(options: &Options) -> String {
    let names: Vec<libc::sockaddr_in> = if let Some(to) = options.to {
        (0..options.destinations).map(|n| name(*to.ip(), to.port() + n as u16)).collect()
    } else {
        let sockets: Vec<_> = (0..options.destinations).map(|_| udp_socket(Ipv4Addr::LOCALHOST)).collect();
        let (names, core) = (sockets.iter().map(own_name).collect(), options.reader_core);
        thread::spawn(move || read_and_drop(&sockets, core));
        names
    };
    pin(options.core);
    // Until so many have been read, or no more will come.
    let settle = |goal: usize| {
        let late = |_: &u32| options.to.is_none() && READ.load(Ordering::Relaxed) < goal;
        (0..100).take_while(late).for_each(|_| thread::sleep(Duration::from_millis(10)));
    };
    let (sendto, mut all) = bare_sendto(options, &names);
    settle(all);
    let mut best = f64::INFINITY;
    let mut fields = vec![format!("\"seal\": {:.1}, \"sendto\": {sendto:.1}", bare_seal(options))];
    for way in &options.ways {
        let before = READ.load(Ordering::Relaxed);
        let (nanos, sent, late) = run(options, way, &names);
        settle(before + sent);
        let read = READ.load(Ordering::Relaxed) - before;
        best = best.min(nanos);
        all += sent;
        let by = format!("by_{}", way.name);
        fields.push(format!("\"{by}\": {nanos:.1}, \"{by}_late\": {late:.4}"));
        if options.to.is_none() {
            fields.push(format!("\"{by}_loss\": {:.5}", 1.0 - read as f64 / sent as f64));
        }
    }
    if options.to.is_some() {
        fields.push(format!("\"sent\": {all}"));
    }
    format!("{{\"limit_ns_per_packet\": {best:.1}, {}}}", fields.join(", "))
}

impl Options {
    /// Refuses what cannot be measured.
    fn parse(words: &[String]) -> Result<Self, String> {
        if words.len() % 2 == 1 {
            return Err(format!("{} wants a value", words[words.len() - 1]));
        }
        let mut words = Words(words.chunks(2).map(|pair| (&*pair[0], &*pair[1])).collect());
        let to: Option<SocketAddrV4> = words.take("--to", "an IPv4 address and a port", |to| to.parse().ok())?;
        // Each destination on loopback is an open file.
        let ports = to.map_or(20_000, |to| 65_536 - usize::from(to.port()));
        let cipher = |name: &str| CIPHERS.into_iter().find(|cipher| cipher.name == name);
        let cipher = words.take("--cipher", "gcm, sha1 or none", cipher)?.unwrap_or(CIPHERS[0]);
        let way = |name: &str| WAYS.into_iter().find(|way| way.name == name);
        let way = words.take("--way", &WAYS.map(|way| way.name).join(" or "), way)?;
        let core = |number: &str| number.parse().ok().filter(|core| *core < libc::CPU_SETSIZE as usize);
        let seconds = |number: &str| number.parse().ok().filter(|seconds| (0.1..=3600.0).contains(seconds));
        let frame = words.number("--frame", 8, 1..=MAX_SEGMENTS)?;
        let bytes = HEADER + cipher.tag + 1..=MAX_DATAGRAM.min(MAX_MESSAGE / frame);
        let options = Self {
            to,
            destinations: words.number("--destinations", 200, 1..=ports)?,
            frame,
            rate: words.number("--rate", 300, 1..=1_000_000)?,
            bytes: words.number("--bytes", 1200, bytes)?,
            seconds: words.take("--seconds", "0.1 to 3600", seconds)?.unwrap_or(5.0),
            cipher,
            ways: way.map_or(WAYS.to_vec(), |way| vec![way]),
            core: words.take("--core", "a core", core)?,
            reader_core: words.take("--reader-core", "a core", core)?,
        };
        match words.0.keys().next() {
            Some(word) => Err(format!("{word} is not an option: see the head of rust/limit/src/main.rs")),
            None => Ok(options),
        }
    }

    /// The bytes of a packet before it is sealed.
    fn clear(&self) -> usize {
        self.bytes - self.cipher.tag
    }

    fn keys(&self) -> Vec<Destination> {
        (0..self.destinations).map(|number| Destination::new(self.cipher, number)).collect()
    }
}

/// What was given for each option.
struct Words<'a>(BTreeMap<&'a str, &'a str>);

impl Words<'_> {
    fn take<T>(&mut self, word: &str, what: &str, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>, String> {
        let Some(value) = self.0.remove(word) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| format!("{word} wants {what}, not {value}"))
    }

    fn number(&mut self, word: &str, default: usize, of: RangeInclusive<usize>) -> Result<usize, String> {
        let what = format!("a number of {} to {}", of.start(), of.end());
        let number = self.take(word, &what, |value| value.parse().ok())?.unwrap_or(default);
        if of.contains(&number) { Ok(number) } else { Err(format!("{word} wants {what}, not {number}")) }
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
        let keys = match cipher.name {
            "gcm" => Keys::Gcm(LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap())),
            "sha1" => Keys::Sha1(
                EncryptingKey::ctr(UnboundCipherKey::new(&AES_128, &key).unwrap()).unwrap(),
                hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key),
            ),
            _ => Keys::None,
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
                let tag = out.len() - clear;
                out[clear..].copy_from_slice(&signing.sign().as_ref()[..tag]);
            }
            Keys::None => {}
        }
    }
}

/// Frames at their rate for the given time: nanoseconds per packet, how many were sent, and the share of the frames that
/// began when the next one was due.
fn run(options: &Options, way: &Way, names: &[libc::sockaddr_in]) -> (f64, usize, f64) {
    let mut outgoing = Outgoing::new(options, way);
    let mut destinations = options.keys();
    let clear = vec![vec![RTP; options.clear()]; options.frame];
    let period = Duration::from_secs(options.frame as u64) / options.rate as u32;
    let frames = ((options.seconds / period.as_secs_f64()) as usize).max(1);
    let (mut due, mut warm, mut before, mut late) = (Instant::now(), 0, 0, 0);
    for frame in 0..frames + WARM_UP {
        if frame == WARM_UP {
            (warm, late, before) = (outgoing.sent, 0, cpu_nanos());
        }
        due += period;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        late += usize::from(Instant::now() > due + period);
        for (destination, name) in destinations.iter_mut().zip(names) {
            for packets in clear.chunks(outgoing.run) {
                let message = outgoing.message(name).chunks_exact_mut(options.bytes);
                packets.iter().zip(message).for_each(|(packet, out)| destination.write(packet, out));
            }
        }
        outgoing.flush();
    }
    let nanos = (cpu_nanos() - before) as f64 / (outgoing.sent - warm) as f64;
    (nanos, outgoing.sent, late as f64 / frames as f64)
}

/// Messages to be sent, and the kernel's view of them.
struct Outgoing {
    socket: UdpSocket,
    /// Bytes of a datagram, datagrams of a message, messages of a call.
    datagram: usize,
    run: usize,
    messages: usize,
    buffer: Vec<u8>,
    /// Where those that have been written go.
    names: Vec<libc::sockaddr_in>,
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    control: [u64; 3],
    /// Datagrams that have left.
    sent: usize,
}

impl Outgoing {
    fn new(options: &Options, way: &Way) -> Self {
        let run = if way.cuts { options.frame } else { 1 };
        Self {
            socket: udp_socket(Ipv4Addr::UNSPECIFIED),
            datagram: options.bytes,
            run,
            messages: way.messages,
            buffer: vec![0; options.bytes * run * way.messages],
            names: Vec::new(),
            vectors: Vec::new(),
            headers: Vec::new(),
            control: segment_control(options.bytes as u16),
            sent: 0,
        }
    }

    /// Where the next message is written, which goes to `name`; a call that is full is made first.
    fn message(&mut self, name: &libc::sockaddr_in) -> &mut [u8] {
        if self.names.len() == self.messages {
            self.flush();
        }
        let len = self.run * self.datagram;
        self.names.push(*name);
        &mut self.buffer[(self.names.len() - 1) * len..][..len]
    }

    fn flush(&mut self) {
        let datagrams = self.names.len() * self.run;
        match datagrams {
            0 => {}
            1 => self.send_one(),
            _ => self.send_many(),
        }
        self.names.clear();
        self.sent += datagrams;
    }

    fn send_one(&self) {
        let (bytes, name) = (&self.buffer[..self.datagram], &raw const self.names[0]);
        let len = size_of::<libc::sockaddr_in>() as u32;
        // SAFETY: bytes and name outlive the call, and their lengths are told.
        let sent =
            unsafe { libc::sendto(self.socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0, name.cast(), len) };
        assert!(sent >= 0, "{}", std::io::Error::last_os_error());
    }

    fn send_many(&mut self) {
        self.vectors.clear();
        self.headers.clear();
        for message in self.buffer.chunks_exact_mut(self.run * self.datagram).take(self.names.len()) {
            self.vectors.push(libc::iovec { iov_base: message.as_mut_ptr().cast(), iov_len: message.len() });
        }
        for (name, vector) in self.names.iter_mut().zip(&mut self.vectors) {
            // SAFETY: all zeroes is a header without anything.
            let mut header: libc::mmsghdr = unsafe { zeroed() };
            header.msg_hdr.msg_name = ptr::from_mut(name).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            if self.run > 1 {
                header.msg_hdr.msg_control = self.control.as_mut_ptr().cast();
                header.msg_hdr.msg_controllen = size_of_val(&self.control);
            }
            self.headers.push(header);
        }
        let mut rest = &mut self.headers[..];
        while !rest.is_empty() {
            // SAFETY: the headers point into fields of `self`, which nobody changes before the call returns.
            let count = unsafe { libc::sendmmsg(self.socket.as_raw_fd(), rest.as_mut_ptr(), rest.len() as u32, 0) };
            assert!(count > 0, "{}", std::io::Error::last_os_error());
            rest = &mut rest[count as usize..];
        }
    }
}

/// A control message that asks the kernel to cut: `UDP_SEGMENT` (cmsg(3): a length, a level and a kind, the value).
fn segment_control(size: u16) -> [u64; 3] {
    let kind = u64::from(libc::SOL_UDP as u32) | u64::from(libc::UDP_SEGMENT as u32) << 32;
    [16 + 2, kind, u64::from(size)]
}

/// Until the process ends.
fn read_and_drop(sockets: &[UdpSocket], core: Option<usize>) {
    pin(core);
    let mut bytes = [0; MAX_DATAGRAM];
    // SAFETY: plain calls with plain numbers; the events outlive the calls that read and write them.
    unsafe {
        let epoll = libc::epoll_create1(0);
        for (place, socket) in sockets.iter().enumerate() {
            socket.set_nonblocking(true).unwrap();
            let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: place as u64 };
            assert_eq!(libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, socket.as_raw_fd(), &raw mut event), 0);
        }
        let mut events: Vec<libc::epoll_event> = vec![zeroed(); 256];
        loop {
            thread::sleep(READ_EVERY);
            let count = libc::epoll_wait(epoll, events.as_mut_ptr(), 256, 0);
            for event in &events[..count.max(0) as usize] {
                while sockets[event.u64 as usize].recv(&mut bytes).is_ok() {
                    READ.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

/// One packet sealed where it lies over and over, each time for the next destination: nanoseconds.
fn bare_seal(options: &Options) -> f64 {
    let mut destinations = options.keys();
    let mut out = vec![1; options.bytes];
    let rounds = (200_000 / destinations.len()).max(1);
    let before = cpu_nanos();
    for _ in 0..rounds {
        for destination in &mut destinations {
            destination.seq += 1;
            destination.seal(options.clear(), &mut out);
        }
    }
    (cpu_nanos() - before) as f64 / (rounds * destinations.len()) as f64
}

/// One datagram sent over and over, each to the next destination: nanoseconds, and how many were sent.
fn bare_sendto(options: &Options, names: &[libc::sockaddr_in]) -> (f64, usize) {
    let mut outgoing = Outgoing::new(options, &WAYS[0]);
    outgoing.buffer[0] = RTP;
    let before = cpu_nanos();
    names.iter().cycle().take(20_000).for_each(|name| _ = outgoing.message(name));
    outgoing.flush();
    ((cpu_nanos() - before) as f64 / outgoing.sent as f64, outgoing.sent)
}

fn udp_socket(ip: Ipv4Addr) -> UdpSocket {
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    let size: libc::c_int = 4 << 20;
    for option in [libc::SO_RCVBUF, libc::SO_SNDBUF] {
        // SAFETY: the option is an int, whose length is told.
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, (&raw const size).cast(), 4) };
    }
    socket
}

fn own_name(socket: &UdpSocket) -> libc::sockaddr_in {
    name(Ipv4Addr::LOCALHOST, socket.local_addr().unwrap().port())
}

fn name(ip: Ipv4Addr, port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) },
        sin_zero: [0; 8],
    }
}

/// The thread that calls.
fn pin(core: Option<usize>) {
    let Some(core) = core else { return };
    // SAFETY: a set of cores is plain bits, which the number lies within; the call reads it.
    let error = unsafe {
        let mut set: libc::cpu_set_t = zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set)
    };
    if error != 0 {
        refuse(&format!("core {core} is not to be had"));
    }
}

/// What this thread has used of a processor.
fn cpu_nanos() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

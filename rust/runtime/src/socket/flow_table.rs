//! Which of the sockets that share an address a flow comes to, told to the kernel as a classic BPF program (socket(7),
//! `SO_ATTACH_REUSEPORT_CBPF`), for which nobody needs privileges.
//!
//! A flow falls into a bucket by a hash of its remote address. The program computes the same hash, finds the word with the bucket's
//! shard by a binary search that is written out, and cuts the shard out of the word:
//!
//! ```text
//! hash: remote address ^ remote port, times an odd number, the upper bits
//! X = place in the word, A = which word
//! A >= 128? A >= 64? …                a tree of jumps
//! A = the word's 32 bits; to the end
//! end: A >> X, masked                 the number of the socket
//! ```

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd as _;

use libc::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_H, BPF_IMM, BPF_JA, BPF_JGE, BPF_JMP, BPF_K, BPF_LD, BPF_LSH, BPF_MEM, BPF_MISC,
    BPF_MUL, BPF_RET, BPF_RSH, BPF_ST, BPF_TAX, BPF_W, BPF_X, BPF_XOR, sock_filter,
};

use super::UdpSocket;
use crate::sys::choose_socket_by;

/// Words of 32 bits. Higher: fewer flows of different shards fall into one bucket. Lower: the kernel takes the program sooner (it
/// takes 4096 instructions at most, a word is three).
const WORDS: u32 = 256;
/// Odd, and its bits are spread (the golden ratio of 2³²).
const FACTOR: u32 = 0x9e37_79b1;
/// Of an IPv4 header without options, and of the port behind it.
const IPV4: Offsets = Offsets { address: 12, port: 20 };
/// Of an IPv6 header without extensions; the lower word of the address.
const IPV6: Offsets = Offsets { address: 20, port: 40 };

/// Where a datagram says whom it is from, from the beginning of its network header.
struct Offsets {
    address: u32,
    port: u32,
}

/// How flows fall into buckets, with so many shards.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FlowTable {
    /// Bits of a bucket: 1, 2, 4 or 8.
    bits: u32,
}

impl FlowTable {
    pub(crate) fn new(shards: u16) -> Self {
        // Of the highest number.
        let bits = (shards.max(2) - 1).ilog2() + 1;
        Self { bits: bits.next_power_of_two() }
    }

    /// How many buckets there are.
    pub(crate) const fn buckets(self) -> usize {
        (WORDS * self.per_word()) as usize
    }

    /// The one of a flow.
    pub(crate) fn bucket(self, remote: &SocketAddr) -> usize {
        let address = match remote.ip() {
            IpAddr::V4(address) => address.to_bits(),
            IpAddr::V6(address) => address.to_bits() as u32,
        };
        ((address ^ u32::from(remote.port())).wrapping_mul(FACTOR) >> self.shift()) as usize
    }

    /// Tells the kernel which shard has a bucket, for all sockets that share an address with this one.
    pub(crate) fn attach(self, socket: &UdpSocket, shard: impl Fn(usize) -> u16) -> io::Result<()> {
        let offsets = if socket.local().is_ipv4() { &IPV4 } else { &IPV6 };
        choose_socket_by(socket.as_fd(), &self.program(offsets, shard))
    }

    const fn per_word(self) -> u32 {
        u32::BITS / self.bits
    }

    const fn shift(self) -> u32 {
        u32::BITS - (WORDS * self.per_word()).ilog2()
    }

    fn program(self, from: &Offsets, shard: impl Fn(usize) -> u16) -> Vec<sock_filter> {
        let mut words = vec![0; WORDS as usize];
        for bucket in 0..self.buckets() {
            let place = bucket as u32 % self.per_word() * self.bits;
            words[bucket / self.per_word() as usize] |= u32::from(shard(bucket)) << place;
        }
        let network = |offset: u32| (libc::SKF_NET_OFF as u32).wrapping_add(offset);
        let mut program = vec![
            op(BPF_LD | BPF_W | BPF_ABS, network(from.address)),
            op(BPF_MISC | BPF_TAX, 0),
            op(BPF_LD | BPF_H | BPF_ABS, network(from.port)),
            op(BPF_ALU | BPF_XOR | BPF_X, 0),
            op(BPF_ALU | BPF_MUL | BPF_K, FACTOR),
            op(BPF_ALU | BPF_RSH | BPF_K, self.shift()),
            op(BPF_ST, 0),
            op(BPF_ALU | BPF_AND | BPF_K, self.per_word() - 1),
            op(BPF_ALU | BPF_LSH | BPF_K, self.bits.ilog2()),
            op(BPF_MISC | BPF_TAX, 0),
            op(BPF_LD | BPF_MEM, 0),
            op(BPF_ALU | BPF_RSH | BPF_K, self.per_word().ilog2()),
        ];
        search(&mut program, 0, &words);
        let end = program.len();
        for (at, instruction) in program.iter_mut().enumerate() {
            if u32::from(instruction.code) == BPF_JMP | BPF_JA && instruction.k == TO_THE_END {
                instruction.k = (end - at - 1) as u32;
            }
        }
        program.extend([
            op(BPF_ALU | BPF_RSH | BPF_X, 0),
            op(BPF_ALU | BPF_AND | BPF_K, (1 << self.bits) - 1),
            // The accumulator; libc has no name for it.
            op(BPF_RET | 0x10, 0),
        ]);
        program
    }
}

/// How far a jump is that is not known yet.
const TO_THE_END: u32 = u32::MAX;

/// The accumulator becomes the word that it is the index of; `first` is the index of the first.
fn search(program: &mut Vec<sock_filter>, first: u32, words: &[u32]) {
    if let [word] = words {
        program.extend([op(BPF_LD | BPF_IMM, *word), op(BPF_JMP | BPF_JA, TO_THE_END)]);
        return;
    }
    let (lower, upper) = words.split_at(words.len() / 2);
    let middle = first + lower.len() as u32;
    // A condition jumps over 255 instructions at most: over one, which jumps further.
    program.push(sock_filter { code: (BPF_JMP | BPF_JGE | BPF_K) as u16, jt: 0, jf: 1, k: middle });
    let jump = program.len();
    program.push(op(BPF_JMP | BPF_JA, 0));
    search(program, first, lower);
    program[jump].k = (program.len() - jump - 1) as u32;
    search(program, middle, upper);
}

const fn op(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::net::UdpSocket as Remote;

    use super::super::bind;
    use super::*;

    /// What the kernel does with a datagram.
    fn run(program: &[sock_filter], network: &[u8]) -> u32 {
        let (mut a, mut x, mut memory, mut at) = (0_u32, 0_u32, 0_u32, 0);
        let read = |k: u32, len: usize| {
            let from = k.wrapping_sub(libc::SKF_NET_OFF as u32) as usize;
            network[from..from + len].iter().fold(0, |value, byte| value << 8 | u32::from(*byte))
        };
        loop {
            let sock_filter { code, jt, jf, k } = program[at];
            at += 1;
            match u32::from(code) {
                code if code == BPF_LD | BPF_W | BPF_ABS => a = read(k, 4),
                code if code == BPF_LD | BPF_H | BPF_ABS => a = read(k, 2),
                code if code == BPF_LD | BPF_IMM => a = k,
                code if code == BPF_LD | BPF_MEM => a = memory,
                BPF_ST => memory = a,
                code if code == BPF_MISC | BPF_TAX => x = a,
                code if code == BPF_ALU | BPF_XOR | BPF_X => a ^= x,
                code if code == BPF_ALU | BPF_MUL | BPF_K => a = a.wrapping_mul(k),
                code if code == BPF_ALU | BPF_RSH | BPF_K => a >>= k,
                code if code == BPF_ALU | BPF_LSH | BPF_K => a <<= k,
                code if code == BPF_ALU | BPF_AND | BPF_K => a &= k,
                code if code == BPF_ALU | BPF_RSH | BPF_X => a >>= x,
                code if code == BPF_JMP | BPF_JA => at += k as usize,
                code if code == BPF_JMP | BPF_JGE | BPF_K => at += usize::from(if a >= k { jt } else { jf }),
                code if code == BPF_RET | 0x10 => return a,
                code => panic!("{code:#x}"),
            }
        }
    }

    fn datagram(remote: SocketAddr) -> Vec<u8> {
        let mut header = match remote.ip() {
            IpAddr::V4(address) => [&[0x45; 12][..], &address.octets(), &[7; 4]].concat(),
            IpAddr::V6(address) => [&[0x60; 8][..], &address.octets(), &[7; 16]].concat(),
        };
        header.extend(remote.port().to_be_bytes());
        header
    }

    #[test]
    fn the_program_gives_the_shard_of_the_bucket() {
        for shards in [1, 2, 3, 4, 5, 16, 17, 256] {
            let table = FlowTable::new(shards);
            let shard = |bucket: usize| (bucket * 7 % usize::from(shards)) as u16;
            let [v4, v6] = [&IPV4, &IPV6].map(|offsets| table.program(offsets, shard));
            assert!(v4.len() < 4096, "{}", v4.len());
            let mut seen = vec![false; table.buckets()];
            for number in 0..20_000_u32 {
                let port = 1024 + (number % 60_000) as u16;
                let [a, b, c, d] = (number / 3).wrapping_mul(2_654_435_761).to_be_bytes();
                let remote = SocketAddr::from(([a, b, c, d], port));
                let remote6 = SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 7, number as u16, port], port));
                for (program, remote) in [(&v4, remote), (&v6, remote6)] {
                    let bucket = table.bucket(&remote);
                    assert_eq!(run(program, &datagram(remote)), u32::from(shard(bucket)), "{remote} of {shards}");
                    seen[bucket] = true;
                }
            }
            assert!(seen.iter().filter(|seen| **seen).count() > seen.len() * 9 / 10, "they are spread");
        }
    }

    #[test]
    fn the_kernel_follows_it() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let address = address.parse().unwrap();
            let bound = bind(&[address], 3, 1 << 16, 1 << 16).unwrap();
            let sockets: Vec<&UdpSocket> = bound.sockets.iter().flatten().collect();
            let table = FlowTable::new(3);
            for turn in 0..2 {
                let shard = |bucket: usize| ((bucket / 5 + turn) % 3) as u16;
                // Whichever of them it is told by.
                table.attach(sockets[turn], shard).unwrap();
                for _ in 0..30 {
                    let remote = Remote::bind(address).unwrap();
                    remote.send_to(b"media", sockets[0].local()).unwrap();
                    let expected = shard(table.bucket(&remote.local_addr().unwrap()));
                    for (number, socket) in sockets.iter().enumerate() {
                        let got = socket.socket.recv(&mut [std::mem::MaybeUninit::uninit(); 10]).is_ok();
                        assert_eq!(got, number == usize::from(expected), "{address}, socket {number}, not {expected}");
                    }
                }
            }
        }
    }
}

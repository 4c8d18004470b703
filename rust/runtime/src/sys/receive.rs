//! Many datagrams in one call: recvmmsg(2) into reused buffers, each with the address that it reached.
//!
//! With `UDP_GRO` one message may hold many datagrams of one sender, all of the same size but the last.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::time::Duration;
use std::{fmt, mem, ptr};

use super::Control;

/// Messages per call. Higher: fewer calls under load. Lower: less memory, shorter turns.
const MESSAGES: usize = 32;
/// The largest message: what `UDP_GRO` coalesces is bounded by the length field of IP.
const MESSAGE_LEN: usize = 65_536;

/// One message that came in.
#[derive(Debug)]
pub struct Received<'a> {
    /// Who sent it.
    pub remote: SocketAddr,
    /// The local address that it was sent to, if the kernel said so.
    pub local: Option<IpAddr>,
    /// The size of each datagram but the last.
    pub segment: usize,
    /// How many datagrams this socket's full queue has cost since it was opened, if the kernel said so (it wraps).
    pub overflow: Option<u32>,
    /// When the kernel took it in by its wall clock, since the Unix epoch, if it said so.
    pub stamp: Option<Duration>,
    /// All datagrams, one after another.
    pub bytes: &'a mut [u8],
}

impl Received<'_> {
    /// The datagrams one by one; an empty message is one empty datagram.
    pub fn datagrams(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let empty: Option<&mut [u8]> = self.bytes.is_empty().then_some(&mut []);
        let parts = self.bytes.chunks_mut(self.segment.max(1));
        empty.into_iter().chain(parts)
    }
}

/// The buffers of one batch.
pub struct ReceiveBuffers {
    bytes: Box<[u8]>,
    names: Box<[libc::sockaddr_storage]>,
    controls: Box<[Control]>,
    /// Pointers into the three above; written anew before each call.
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    filled: usize,
}

impl fmt::Debug for ReceiveBuffers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ReceiveBuffers").field("filled", &self.filled).finish_non_exhaustive()
    }
}

impl ReceiveBuffers {
    /// Buffers for one batch; pages are touched only when they are needed.
    #[expect(clippy::new_without_default, reason = "two megabytes are no default")]
    pub fn new() -> Self {
        // SAFETY: `sockaddr_storage` is plain old data; all zeroes is the unspecified family.
        let name: libc::sockaddr_storage = unsafe { mem::zeroed() };
        Self {
            bytes: vec![0; MESSAGES * MESSAGE_LEN].into_boxed_slice(),
            names: vec![name; MESSAGES].into_boxed_slice(),
            controls: vec![Control::EMPTY; MESSAGES].into_boxed_slice(),
            vectors: Vec::with_capacity(MESSAGES),
            headers: Vec::with_capacity(MESSAGES),
            filled: 0,
        }
    }

    /// Takes what waits in the socket, one batch at most, and says whether the batch was full.
    /// An empty queue is an empty batch.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<bool> {
        self.filled = 0;
        self.prepare();
        // SAFETY: the headers point into buffers of `self`, which is borrowed until the call returns; lengths are theirs.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                MESSAGES as libc::c_uint,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        if count < 0 {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(false),
                _ => Err(error),
            };
        }
        self.filled = count as usize;
        Ok(self.filled == MESSAGES)
    }

    /// The messages of the last batch, in order.
    pub fn messages(&mut self) -> impl Iterator<Item = Received<'_>> {
        let buffers = self.bytes.chunks_exact_mut(MESSAGE_LEN);
        let parts = self.headers.iter().zip(&self.names).zip(buffers);
        parts.take(self.filled).filter_map(|((header, name), buffer)| {
            let len = (header.msg_len as usize).min(MESSAGE_LEN);
            let mut message = Received {
                remote: socket_address(name)?,
                local: None,
                segment: len,
                overflow: None,
                stamp: None,
                bytes: &mut buffer[..len],
            };
            read_control(&header.msg_hdr, &mut message);
            Some(message)
        })
    }

    fn prepare(&mut self) {
        self.vectors.clear();
        self.headers.clear();
        for buffer in self.bytes.chunks_exact_mut(MESSAGE_LEN) {
            self.vectors.push(libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: MESSAGE_LEN });
        }
        let parts = self.vectors.iter_mut().zip(&mut self.names).zip(&mut self.controls);
        for ((vector, name), control) in parts {
            // SAFETY: `msghdr` is plain old data (musl pads it, so it cannot be written as a literal).
            let mut header: libc::msghdr = unsafe { mem::zeroed() };
            header.msg_name = ptr::from_mut(name).cast();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            header.msg_control = control.0.as_mut_ptr().cast();
            header.msg_controllen = Control::LEN as _;
            self.headers.push(libc::mmsghdr { msg_hdr: header, msg_len: 0 });
        }
    }
}

fn socket_address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match libc::c_int::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: a storage of family AF_INET holds a `sockaddr_in`, and is aligned for all of its kind.
            let v4 = unsafe { &*ptr::from_ref(name).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(v4.sin_port))))
        }
        libc::AF_INET6 => {
            // SAFETY: a storage of family AF_INET6 holds a `sockaddr_in6`, and is aligned for all of its kind.
            let v6 = unsafe { &*ptr::from_ref(name).cast::<libc::sockaddr_in6>() };
            // The scope belongs to the address (RFC 4007 §6), the flow label does not: it may change between packets.
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddr::V6(SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), 0, v6.sin6_scope_id)))
        }
        _ => None,
    }
}

fn read_control(header: &libc::msghdr, message: &mut Received<'_>) {
    // SAFETY: the kernel has filled `msg_control` up to `msg_controllen`, and the buffer lives in `ReceiveBuffers`.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(header) };
    // SAFETY: `next` is null or points to a whole header inside that buffer.
    while let Some(control) = unsafe { next.as_ref() } {
        // SAFETY: a control message that the kernel wrote is followed by its value.
        let value = unsafe { libc::CMSG_DATA(next) };
        match (control.cmsg_level, control.cmsg_type) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                // SAFETY: the value of this type is an `in_pktinfo`.
                let reached = unsafe { value.cast::<libc::in_pktinfo>().read_unaligned() };
                message.local = Some(IpAddr::V4(Ipv4Addr::from(reached.ipi_spec_dst.s_addr.to_ne_bytes())));
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                // SAFETY: the value of this type is an `in6_pktinfo`.
                let reached = unsafe { value.cast::<libc::in6_pktinfo>().read_unaligned() };
                message.local = Some(IpAddr::V6(Ipv6Addr::from(reached.ipi6_addr.s6_addr)));
            }
            (libc::SOL_UDP, libc::UDP_GRO) => {
                // SAFETY: the value of this type is an int (udp(7)).
                let segment = unsafe { value.cast::<libc::c_int>().read_unaligned() };
                message.segment = segment.max(1) as usize;
            }
            (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                // SAFETY: the value of this type is a 32-bit count (socket(7)).
                message.overflow = Some(unsafe { value.cast::<u32>().read_unaligned() });
            }
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                // SAFETY: the value of this type is a `timespec` (socket(7)).
                let stamp = unsafe { value.cast::<libc::timespec>().read_unaligned() };
                message.stamp = Some(Duration::new(stamp.tv_sec as u64, stamp.tv_nsec as u32));
            }
            _ => {}
        }
        // SAFETY: `next` is one of `header`'s control messages.
        next = unsafe { libc::CMSG_NXTHDR(header, next) };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::UdpSocket;
    use std::os::fd::AsFd as _;
    use std::time::{SystemTime, UNIX_EPOCH};

    use sfu_transport::Path;

    use super::*;
    use crate::skips::skip;
    use crate::sys::{SendBuffers, set_option};

    /// The sizes of the datagrams of each message that waits.
    fn receive(socket: &UdpSocket) -> Vec<Vec<usize>> {
        let mut buffers = ReceiveBuffers::new();
        assert!(!buffers.receive(socket.as_fd()).unwrap(), "less than a batch waits");
        let sizes = |mut message: Received<'_>| message.datagrams().map(|datagram| datagram.len()).collect();
        buffers.messages().map(sizes).collect()
    }

    #[test]
    fn an_empty_datagram_is_one_and_an_empty_queue_is_none() {
        let (here, there) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        assert_eq!(receive(&here), Vec::<Vec<usize>>::new());
        for size in [3, 0, 1] {
            there.send_to(&vec![0; size], here.local_addr().unwrap()).unwrap();
        }
        assert_eq!(receive(&here), [[3], [0], [1]]);
    }

    #[test]
    fn each_message_carries_the_time_at_which_it_came() {
        let (here, there) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        if set_option(here.as_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1).is_err() {
            return skip("this kernel does not stamp datagrams");
        }
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let before = clock();
        for _ in 0..3 {
            there.send_to(b"x", here.local_addr().unwrap()).unwrap();
        }
        let mut buffers = ReceiveBuffers::new();
        buffers.receive(here.as_fd()).unwrap();
        let stamps: Vec<Duration> = buffers.messages().map(|message| message.stamp.unwrap()).collect();
        assert_eq!(stamps.len(), 3);
        assert!(before <= stamps[0] && stamps.is_sorted() && stamps[2] <= clock(), "{stamps:?}");
    }

    #[test]
    fn a_coalesced_message_is_as_many_datagrams_as_were_sent() {
        let (here, there) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        if set_option(here.as_fd(), libc::SOL_UDP, libc::UDP_GRO, 1).is_err() {
            return skip("this kernel does not coalesce datagrams (Linux 5.0)");
        }
        let path = Path { local: there.local_addr().unwrap(), remote: here.local_addr().unwrap() };
        let pieces: [&[u8]; 3] = [&[1; 500], &[2; 500], &[3; 77]];
        let message = (path, Some(500), pieces.into_iter());
        assert_eq!(SendBuffers::default().send(there.as_fd(), std::iter::once(message)).unwrap(), 1);
        assert_eq!(receive(&here), [[500, 500, 77]]);
    }
}

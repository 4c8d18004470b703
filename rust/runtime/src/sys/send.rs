//! Many messages in one call: sendmmsg(2), each from its own local address and, with `UDP_SEGMENT`, each of up to 64
//! datagrams of one size.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::{mem, ptr};

use sfu_transport::Path;
use socket2::SockAddr;

use super::Control;

/// The kernel's view of a batch; reused, so that a batch allocates nothing after warm-up.
#[derive(Default)]
pub(crate) struct SendBuffers {
    names: Vec<SockAddr>,
    controls: Vec<Control>,
    /// Per message: how many of `vectors` and how many bytes of its control buffer it has.
    shapes: Vec<(usize, usize)>,
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

impl SendBuffers {
    /// Sends messages in order until one fails; says how many went, or why the first did not.
    ///
    /// A message is its path, its segment size if it is to be cut into datagrams, and its bytes in pieces.
    pub(crate) fn send<'a, P: Iterator<Item = &'a [u8]>>(
        &mut self,
        socket: BorrowedFd<'_>,
        messages: impl Iterator<Item = (Path, Option<u16>, P)>,
    ) -> io::Result<usize> {
        self.names.clear();
        self.controls.clear();
        self.shapes.clear();
        self.vectors.clear();
        for (path, segment, pieces) in messages {
            let before = self.vectors.len();
            self.vectors.extend(pieces.map(|piece| libc::iovec {
                // The kernel only reads what it sends.
                iov_base: piece.as_ptr().cast_mut().cast(),
                iov_len: piece.len(),
            }));
            let mut control = Control::EMPTY;
            let control_len = write_control(&mut control, path, segment);
            self.names.push(SockAddr::from(path.remote));
            self.controls.push(control);
            self.shapes.push((self.vectors.len() - before, control_len));
        }
        self.point();
        // SAFETY: the headers point into buffers of `self` and into pieces that live for `'a`: all outlast the call.
        let count = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                self.headers.len() as libc::c_uint,
                libc::MSG_DONTWAIT,
            )
        };
        if count < 0 { Err(io::Error::last_os_error()) } else { Ok(count as usize) }
    }

    fn point(&mut self) {
        self.headers.clear();
        let mut vectors = self.vectors.as_mut_slice();
        for ((name, control), &(count, control_len)) in self.names.iter().zip(&mut self.controls).zip(&self.shapes) {
            let (mine, rest) = vectors.split_at_mut(count);
            vectors = rest;
            // SAFETY: `msghdr` is plain old data (musl pads it, so it cannot be written as a literal).
            let mut header: libc::msghdr = unsafe { mem::zeroed() };
            header.msg_name = name.as_ptr().cast_mut().cast();
            header.msg_namelen = name.len();
            header.msg_iov = mine.as_mut_ptr();
            header.msg_iovlen = count as _;
            if control_len > 0 {
                header.msg_control = control.0.as_mut_ptr().cast();
                header.msg_controllen = control_len as _;
            }
            self.headers.push(libc::mmsghdr { msg_hdr: header, msg_len: 0 });
        }
    }
}

/// Writes the source address and the segment size; returns the bytes used.
fn write_control(control: &mut Control, path: Path, segment: Option<u16>) -> usize {
    let mut used = 0;
    match path.local.ip() {
        ip if ip.is_unspecified() => {}
        IpAddr::V4(ip) => {
            let address = libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) };
            let none = libc::in_addr { s_addr: 0 };
            let source = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: address, ipi_addr: none };
            used += put(control, used, (libc::IPPROTO_IP, libc::IP_PKTINFO), source);
        }
        IpAddr::V6(ip) => {
            let scope = match path.remote {
                SocketAddr::V6(remote) => remote.scope_id(),
                SocketAddr::V4(_) => 0,
            };
            let address = libc::in6_addr { s6_addr: ip.octets() };
            let source = libc::in6_pktinfo { ipi6_addr: address, ipi6_ifindex: scope as _ };
            used += put(control, used, (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO), source);
        }
    }
    if let Some(segment) = segment {
        used += put(control, used, (libc::SOL_UDP, libc::UDP_SEGMENT), segment);
    }
    used
}

/// Appends one control message (cmsg(3)) and returns its size with padding.
fn put<T: Copy>(control: &mut Control, at: usize, kind: (libc::c_int, libc::c_int), value: T) -> usize {
    let value_len = size_of::<T>() as libc::c_uint;
    // SAFETY: these two only compute.
    let (len, space) = unsafe { (libc::CMSG_LEN(value_len) as usize, libc::CMSG_SPACE(value_len) as usize) };
    let room = &mut control.0[at..at + space];
    let header: *mut libc::cmsghdr = room.as_mut_ptr().cast();
    // SAFETY: `room` holds the header and the value, which CMSG_SPACE counts, and is aligned for a header: the buffer
    // is, and all spaces are multiples of its alignment. A value may be unaligned.
    unsafe {
        ptr::write(header, mem::zeroed());
        (*header).cmsg_level = kind.0;
        (*header).cmsg_type = kind.1;
        (*header).cmsg_len = len as _;
        libc::CMSG_DATA(header).cast::<T>().write_unaligned(value);
    }
    space
}

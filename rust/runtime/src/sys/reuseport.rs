//! The kernel's choice among sockets that share an address.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use libc::{sock_filter, sock_fprog};

/// Has a classic BPF program choose, for each datagram, the socket of those that share this one's address (socket(7),
/// `SO_ATTACH_REUSEPORT_CBPF`): it gives a number in the order in which they were bound. It replaces the one before.
pub(crate) fn choose_socket_by(socket: BorrowedFd<'_>, program: &[sock_filter]) -> io::Result<()> {
    let len = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let value = sock_fprog { len, filter: program.as_ptr().cast_mut() };
    // SAFETY: the option's value is a live `sock_fprog` whose length is given; it points to `len` instructions, which the kernel
    // copies and does not write.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            (&raw const value).cast(),
            size_of::<sock_fprog>() as u32,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

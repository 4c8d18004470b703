//! What a program of many sockets needs of the kernel and `std` does not wrap: the load generator receives with it.

use std::io;
use std::os::fd::BorrowedFd;

pub use crate::sys::{ReceiveBuffers, Received, Wake, thread_cpu_time};

use crate::sys::set_option;

/// Has the kernel tell when each datagram came, by its wall clock (`SO_TIMESTAMPNS`).
pub fn stamp_arrivals(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)
}

/// Has the kernel hand over datagrams of one sender and size together (`UDP_GRO`, Linux 5.0).
pub fn coalesce(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, libc::SOL_UDP, libc::UDP_GRO, 1)
}

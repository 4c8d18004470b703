//! The kernel: every system call that `std` and `socket2` do not wrap, memory that two threads share, and all `unsafe` of the
//! workspace.
//!
//! Each file wraps one subject in a safe function or type; nothing outside this folder sees a raw pointer.
//! Invariant: a pointer handed to the kernel points into a buffer that the same function borrows until the call is over.
#![allow(unsafe_code)]

mod affinity;
mod cpu_time;
mod interface;
mod option;
mod poll;
mod random;
mod receive;
mod reuseport;
mod ring;
mod send;

pub(crate) use affinity::pin;
pub use cpu_time::thread_cpu_time;
pub(crate) use interface::interface_addresses;
pub(crate) use option::{get_option, set_option};
pub use poll::Wake;
pub(crate) use poll::{Interest, Poll, wait_readable};
pub(crate) use random::random_seed;
pub use receive::{ReceiveBuffers, Received};
pub(crate) use reuseport::choose_socket_by;
pub(crate) use ring::{RingReader, RingWriter, ring};
pub(crate) use send::SendBuffers;

/// Room for the control messages of one datagram, aligned as `cmsghdr` wants it.
///
/// The largest set is `IPV6_PKTINFO` (40 bytes with header and padding), `UDP_GRO` (24), `SO_RXQ_OVFL` (24) and
/// `SCM_TIMESTAMPNS` (32).
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; Control::LEN]);

impl Control {
    const LEN: usize = 128;
    const EMPTY: Self = Self([0; Self::LEN]);
}

//! Two ends of a transport in virtual time: a passive one and an active client of the same parts.

#![allow(clippy::unwrap_used)]

mod channels;
mod connection;
mod garbage;
mod paths;
mod rsa;
mod support;

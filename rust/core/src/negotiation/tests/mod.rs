//! The negotiation as a whole, through its public face.

mod client;
mod errors;
mod golden;
mod mutations;
mod repair;
mod rounds;
mod sections;

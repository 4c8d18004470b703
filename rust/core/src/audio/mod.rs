//! Audio on its way: in which form a packet leaves, what redundancy gives back, where a talkspurt starts, who is loudest.
//!
//! Opus and RED (RFC 2198) are one codec as far as numbers go: a subscriber gets whichever it has negotiated, under the numbers of
//! the packets that came. Invariant: a form and the history give the same bytes again.

mod form;
mod loudest;
mod past_voices;
mod recovery;
mod slots;
mod talkspurt;

pub(crate) use form::{MAX_RED, Material, Way, has_frame};
use loudest::Loudest;
pub(crate) use loudest::{Changed, is_speech};
use past_voices::PastVoices;
pub(crate) use recovery::{Found, Recovered, Recovery};
pub(crate) use slots::{Slot, Slots, Voice};
pub(crate) use talkspurt::{Talkspurts, is_silent};

//! Whole calls in virtual time, over links with a delay: what viewers see, and what the publisher is asked for.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod call;

mod late_joiners_open_and_decode;
mod many_join_at_once;
mod repairs_reach_the_viewer;
mod taps_give_every_frame;
mod timestamps_follow_the_capture;
mod viewers_do_not_touch_each_other;

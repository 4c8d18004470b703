//! What all peers of a load together have sent and received, and how long it took.

use std::collections::BTreeMap;
use std::time::Duration;

use sfu_peer::{Delays, Peer};

use crate::counters::Counters;

macro_rules! totals {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Sums over peers.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Totals {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Totals {
            pub(super) fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }

            /// What came on top of what there was `before`.
            pub(super) fn since(&self, before: &Self) -> Self {
                Self { $($name: self.$name.saturating_sub(before.$name),)* }
            }

            /// Names and values.
            pub fn fields(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),*].into_iter()
            }
        }
    };
}

totals! {
    /// Packets that publishers sent, without what they sent again.
    sent,
    /// Packets that publishers sent again.
    resent,
    /// Keyframes that the server asked publishers for.
    keyframe_requests,
    /// Keyframes that publishers sent.
    keyframes,
    /// Transport-wide feedback that publishers got.
    feedbacks_received,
    /// Packets that came to subscribers, retransmissions among them.
    received,
    /// Their bytes, of those that only count.
    counted_bytes,
    /// Packets that came to those that only count.
    counted,
    /// From the first number of each stream to the highest.
    expected,
    /// Compound packets of feedback from those that only count.
    feedbacks_sent,
    /// Packets that verifiers opened.
    verified,
    /// Of them: payload that does not prove itself.
    corrupt,
    /// Of them: payload of another source than the stream's.
    misrouted,
    /// Of them: came twice.
    duplicates,
    /// Asked for.
    nacks,
    /// Came by retransmission.
    repaired,
    /// Came by retransmission though they were there.
    needless_repairs,
    /// Given up.
    given_up,
    /// Not here yet.
    missing,
    /// Whole frames that a decoder could show.
    frames,
    /// Whole frames that refer to what never came.
    undecodable,
    /// Frames without their first or last packet, numbers that do not follow, switches without a keyframe: the server's faults.
    faults,
    /// Pauses that a viewer notices.
    freezes,
    /// Keyframes that verifiers asked for.
    keyframes_asked,
}

/// One measurement: all since its beginning.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// How long it took.
    pub elapsed: Duration,
    /// Of all peers.
    pub totals: Totals,
    /// From sending to the kernel's receive time, at the verifiers.
    pub delays: Delays,
    /// Subscribers to which nothing came.
    pub silent: u64,
    /// Over the sockets.
    pub sockets: Counters,
    /// Datagrams that the kernel dropped because the generator was too slow.
    pub kernel_drops: u64,
    /// The thread's time on a processor.
    pub cpu: Duration,
    /// Connected peers by SRTP profile.
    pub profiles: BTreeMap<&'static str, u64>,
}

impl Totals {
    pub(super) fn of(peer: &Peer) -> Self {
        let (stats, tally) = (peer.stats(), peer.tally());
        let uplink = stats.uplink;
        let mut totals = Self {
            sent: uplink.packets,
            resent: uplink.resent,
            keyframe_requests: uplink.keyframe_requests,
            keyframes: uplink.keyframes,
            feedbacks_received: uplink.feedbacks,
            received: tally.packets,
            counted_bytes: tally.bytes,
            counted: tally.packets,
            expected: tally.expected,
            feedbacks_sent: tally.feedbacks,
            ..Self::default()
        };
        for stream in stats.streams {
            let frames = stream.frames;
            totals.add(&Self {
                received: stream.packets,
                // What is missing may come yet.
                expected: stream.packets + stream.lost,
                verified: stream.packets,
                corrupt: stream.corrupt,
                misrouted: stream.misrouted,
                duplicates: stream.duplicates,
                nacks: stream.nacks,
                repaired: stream.repaired,
                needless_repairs: stream.needless_repairs,
                given_up: stream.lost,
                missing: stream.missing,
                frames: frames.decoded,
                undecodable: frames.undecodable,
                faults: frames.torn + frames.discontinuities + frames.bad_switches,
                freezes: frames.freezes,
                keyframes_asked: stream.keyframe_requests,
                ..Self::default()
            });
        }
        totals
    }
}

//! What could be sent if there were no limit: it bounds the probes, and is probed for when it rises (libwebrtc
//! `probe_controller.cc`: the maximum total allocated bitrate).
//!
//! The controller is told it with each change of the subscriptions, and of the rates of their layers. Invariant: demand
//! that only swings is probed for once.

use sfu_wire::Bitrate;

/// The highest probe, in what is wanted: streams are bursty, and probes show a little less than their rate.
/// Higher: padding for what is never sent. Lower: little reserve. (libwebrtc `probe_controller.cc`)
const CAP_SCALE: f64 = 2.0;
/// The two probes when demand rises, in what is wanted. (libwebrtc `probe_controller.cc`)
const SCALES: [f64; 2] = [1.0, 2.0];
/// The highest of them, in estimates. Higher: a longer queue where there is no room. Lower: more steps.
/// (Ours: two probes at libwebrtc's twice, one behind the other, left 50 ms.)
const ESTIMATE_SCALE: f64 = 1.5;
/// Demand that rises by less is noise. Higher: new tracks wait for another probe. Lower: layer rates, which are
/// measured, cause probes. (Ours: libwebrtc knows configured rates.)
const RISE: f64 = 1.05;
/// Demand that falls below this share of what was probed for is another call: its rise is probed for again. (Ours.)
const FALL: f64 = 0.5;

/// The sum of all that could be sent.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Zero: unknown.
    total: Bitrate,
    /// The total that was last probed for.
    probed: Bitrate,
}

impl Wanted {
    pub(super) fn set(&mut self, total: Bitrate) {
        self.total = total;
        if total < self.probed * FALL {
            self.probed = total;
        }
    }

    pub(super) fn is_known(&self) -> bool {
        self.total > Bitrate::ZERO
    }

    /// The highest probe where `max` is the highest of all.
    pub(super) fn cap(&self, max: Bitrate) -> Bitrate {
        if self.is_known() { max.min(self.total * CAP_SCALE) } else { max }
    }

    /// What to probe for because of a rise. The estimate always keeps it from being all, so that more may follow.
    pub(super) fn probes(&self, estimate: Bitrate) -> Option<[Bitrate; 2]> {
        if self.total <= estimate || self.total <= self.probed * RISE {
            return None;
        }
        let limit = estimate * ESTIMATE_SCALE;
        Some(SCALES.map(|scale| (self.total * scale).min(limit)))
    }

    /// Those probes were started.
    pub(super) fn probed(&mut self) {
        self.probed = self.total;
    }

    /// The path is another one: nothing was probed for on it.
    pub(super) fn handle_network_change(&mut self) {
        self.probed = Bitrate::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probes(wanted: &Wanted, estimate: u64) -> Option<[u64; 2]> {
        wanted.probes(Bitrate::new(estimate)).map(|targets| targets.map(Bitrate::get))
    }

    #[test]
    fn a_rise_is_probed_for_once_and_twice_within_one_and_a_half_estimates() {
        let mut wanted = Wanted::default();
        wanted.set(Bitrate::new(4000));
        assert_eq!(probes(&wanted, 2800), Some([4000, 4200]));
        assert_eq!(probes(&wanted, 3000), Some([4000, 4500]));
        assert_eq!(probes(&wanted, 1000), Some([1500, 1500]));
        assert_eq!(probes(&wanted, 4000), None);
        wanted.set(Bitrate::new(2000));
        assert_eq!(probes(&wanted, 1998), Some([2000, 2997]));
    }

    #[test]
    fn only_a_real_rise_counts() {
        let mut wanted = Wanted::default();
        wanted.set(Bitrate::new(4000));
        wanted.probed();
        for (total, expected) in [(4000, false), (4200, false), (4201, true), (2000, false), (4100, false)] {
            wanted.set(Bitrate::new(total));
            assert_eq!(probes(&wanted, 1000).is_some(), expected, "{total}");
        }
        wanted.set(Bitrate::new(1999));
        wanted.set(Bitrate::new(4000));
        assert!(probes(&wanted, 1000).is_some(), "another call");
        wanted.probed();
        wanted.handle_network_change();
        assert!(probes(&wanted, 1000).is_some(), "another path");
    }

    #[test]
    fn twice_what_is_wanted_is_the_most() {
        let mut wanted = Wanted::default();
        assert_eq!(wanted.cap(Bitrate::new(5000)), Bitrate::new(5000));
        wanted.set(Bitrate::new(1000));
        assert_eq!(wanted.cap(Bitrate::new(5000)), Bitrate::new(2000));
        assert_eq!(wanted.cap(Bitrate::new(1500)), Bitrate::new(1500));
    }
}

//! What a subscription gets of its subscriber's bandwidth.

use std::time::Instant;

use crate::allocate::{Choice, Current, Reason};
use crate::layer::Layer;

/// A choice that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    /// `None`: nothing.
    layer: Option<Layer>,
    since: Instant,
    reason: Reason,
    /// There is no more of its spatial layer than this: what comes of it later may pass.
    is_whole: bool,
}

impl Share {
    /// The choice is another one, or goes on.
    pub(crate) fn new(now: Instant, before: Option<Self>, choice: &Choice, is_whole: bool) -> Self {
        let since = before.filter(|before| before.layer == choice.layer).map_or(now, |before| before.since);
        Self { layer: choice.layer, since, reason: choice.reason, is_whole }
    }

    /// For the next division.
    pub(crate) fn current(self, now: Instant) -> Current {
        Current { layer: self.layer, age: now.saturating_duration_since(self.since) }
    }

    /// Whether bandwidth is what it lacks. Where a publisher sends no more, or more is not wanted, nothing is held back: what comes later passes at
    /// once, and is divided then.
    pub(crate) const fn is_short(self) -> bool {
        matches!(self.reason, Reason::Budget | Reason::Hysteresis)
    }

    /// Whether it gets nothing for want of bandwidth.
    pub(crate) const fn is_nothing(self) -> bool {
        self.layer.is_none() && self.is_short()
    }

    /// The highest layer that may pass when `max` was chosen by hand.
    pub(crate) fn within(self, max: Option<Layer>) -> Option<Layer> {
        let Some(layer) = self.layer.filter(|_| self.is_short()) else { return max };
        let layer = if self.is_whole { Layer { temporal: Layer::MAX.temporal, ..layer } } else { layer };
        Some(max.map_or(layer, |max| Layer {
            spatial: layer.spatial.min(max.spatial),
            temporal: layer.temporal.min(max.temporal),
        }))
    }
}

#[cfg(test)]
mod tests {
    use sfu_wire::Bitrate;

    use super::*;

    fn choice(layer: Option<(u8, u8)>, reason: Reason) -> Choice {
        let layer = layer.map(|(spatial, temporal)| Layer { spatial, temporal });
        Choice { layer, rate: Bitrate::ZERO, reason }
    }

    #[test]
    fn only_want_of_bandwidth_holds_back() {
        let now = Instant::now();
        let within = |layer, reason, whole, max: Option<(u8, u8)>| {
            let share = Share::new(now, None, &choice(layer, reason), whole);
            let max = max.map(|(spatial, temporal)| Layer { spatial, temporal });
            share.within(max).map(|layer| (layer.spatial, layer.temporal))
        };
        assert_eq!(within(Some((1, 2)), Reason::Best, true, None), None);
        assert_eq!(within(Some((1, 2)), Reason::NotFlowing, true, Some((2, 7))), Some((2, 7)));
        assert_eq!(within(Some((1, 1)), Reason::Budget, false, None), Some((1, 1)));
        assert_eq!(within(Some((1, 2)), Reason::Budget, true, None), Some((1, 7)));
        assert_eq!(within(Some((1, 2)), Reason::Hysteresis, true, Some((2, 0))), Some((1, 0)));
        let nothing = |reason| Share::new(now, None, &choice(None, reason), false).is_nothing();
        assert_eq!([nothing(Reason::Budget), nothing(Reason::NotFlowing)], [true, false]);
    }

    #[test]
    fn a_choice_that_goes_on_is_as_old_as_it_is() {
        let now = Instant::now();
        let later = now + std::time::Duration::from_secs(3);
        let first = Share::new(now, None, &choice(Some((1, 0)), Reason::Budget), false);
        let same = Share::new(later, Some(first), &choice(Some((1, 0)), Reason::Best), false);
        assert_eq!(same.current(later).age.as_secs(), 3);
        let other = Share::new(later, Some(first), &choice(Some((1, 1)), Reason::Best), false);
        assert_eq!(other.current(later).age.as_secs(), 0);
    }
}

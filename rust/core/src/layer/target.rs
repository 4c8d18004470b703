//! Which decode target of a dependency descriptor a subscriber gets: a pure function of the structure, the wanted layer and what
//! can be decoded (AV1 RTP payload specification 1.0, §A.2 and table A.1).
//!
//! A target may be left for one that is nested in it at any time: all its frames went out. Every other move waits for a frame
//! that says "switch" for the new target and refers to nothing that was left out.

use sfu_wire::payload::dependency_descriptor::{DecodeTarget, DecodeTargets, Dti, Dtis, Structure};

use super::facts::Layer;

/// A structure and what follows from it for choosing.
#[derive(Debug)]
pub(crate) struct TargetTable {
    structure: Structure,
    /// Target numbers, the best first: by size, then by frame rate.
    order: Vec<u8>,
    /// For each target those whose frames are all in it too, itself included.
    nested: Vec<DecodeTargets>,
}

/// What there is to say of the frame at which a target is chosen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Occasion {
    pub(crate) dtis: Dtis,
    /// Nothing of its picture went out yet.
    pub(crate) unsent: bool,
    /// All that it refers to went out.
    pub(crate) decodable: bool,
}

impl TargetTable {
    pub(crate) fn new(structure: Structure) -> Self {
        let targets = structure.decode_targets();
        let mut order: Vec<u8> = (0..targets.len() as u8).collect();
        order.sort_by_key(|target| {
            let target = &targets[usize::from(*target)];
            std::cmp::Reverse((target.spatial, target.temporal))
        });
        let is_nested = |inner: usize, outer: usize| {
            let present = |template: Dtis, target| template.get(target) != Dti::NotPresent;
            structure.templates().iter().all(|row| !present(row.dtis, inner) || present(row.dtis, outer))
        };
        let count = targets.len();
        let nested = (0..count).map(|outer| (0..count).filter(|inner| is_nested(*inner, outer)).collect()).collect();
        Self { structure, order, nested }
    }

    pub(crate) const fn structure(&self) -> &Structure {
        &self.structure
    }

    /// The layer of a target.
    pub(crate) fn layer(&self, target: u8) -> Layer {
        let found: Option<&DecodeTarget> = self.structure.decode_targets().get(usize::from(target));
        found.map_or(Layer::default(), |found| Layer { spatial: found.spatial, temporal: found.temporal })
    }

    /// The targets that who has `target` can decode.
    pub(crate) fn nested(&self, target: u8) -> DecodeTargets {
        self.nested.get(usize::from(target)).copied().unwrap_or_default()
    }

    /// The best of smaller pictures among the targets that who has `target` can decode.
    pub(crate) fn smaller(&self, target: u8) -> Option<u8> {
        let spatial = self.layer(target).spatial;
        self.order.iter().copied().find(|inner| self.layer(*inner).spatial < spatial && self.is_nested(*inner, target))
    }

    /// The best active target with nothing above `limit`; the lowest active one when all are above it.
    pub(crate) fn best(&self, limit: Layer, active: DecodeTargets) -> Option<u8> {
        let mut flowing = self.order.iter().copied().filter(|target| active.contains(usize::from(*target)));
        let lowest = flowing.clone().next_back();
        flowing.find(|target| within(self.layer(*target), limit)).or(lowest)
    }

    /// The target from a frame on, for who has `current`: the best that can be had without a keyframe.
    pub(crate) fn choose(&self, current: u8, limit: Layer, active: DecodeTargets, occasion: &Occasion) -> u8 {
        let Some(best) = self.best(limit, active).filter(|best| *best != current) else { return current };
        if self.is_reachable(current, best, occasion) {
            return best;
        }
        // Another size that is not the best would have to be left by a keyframe again.
        let is_on_the_way =
            |target: u8| self.is_nested(target, current) || self.layer(target).spatial == self.layer(current).spatial;
        let flowing = self.order.iter().copied().filter(|target| active.contains(usize::from(*target)));
        let wanted = flowing.filter(|target| within(self.layer(*target), limit));
        let mut better = wanted.take_while(|target| *target != current).filter(|target| is_on_the_way(*target));
        better.find(|target| self.is_reachable(current, *target, occasion)).unwrap_or(current)
    }

    /// Whether what is wanted can be had by a keyframe only.
    pub(crate) fn needs_keyframe(&self, current: u8, limit: Layer, active: DecodeTargets) -> bool {
        let Some(best) = self.best(limit, active).filter(|best| *best != current) else { return false };
        self.layer(best).spatial != self.layer(current).spatial && !self.is_nested(best, current)
    }

    fn is_nested(&self, inner: u8, outer: u8) -> bool {
        self.nested(outer).contains(usize::from(inner))
    }

    fn is_reachable(&self, current: u8, target: u8, occasion: &Occasion) -> bool {
        let (from, to) = (self.layer(current).spatial, self.layer(target).spatial);
        let switches = occasion.decodable && occasion.dtis.get(usize::from(target)) == Dti::Switch;
        // A picture has one end: what was begun is finished, and no other size begins in the middle.
        (self.is_nested(target, current) && occasion.unsent) || (switches && (from == to || occasion.unsent))
    }
}

const fn within(layer: Layer, limit: Layer) -> bool {
    layer.spatial <= limit.spatial && layer.temporal <= limit.temporal
}

#[cfg(test)]
pub(crate) mod tests {
    use sfu_wire::payload::DependencyDescriptor;
    use sfu_wire::payload::dependency_descriptor::FrameDependencies;

    use super::*;

    fn row(spatial: u8, temporal: u8, dtis: &str, frames: &[u16], chains: &[u8]) -> FrameDependencies {
        FrameDependencies::new(spatial, temporal, dtis, frames, chains).unwrap()
    }

    /// §A.10.1 with one template for keyframes; targets: all, layer 0.
    pub(crate) fn l1t2(offset: u8) -> Structure {
        let rows = vec![row(0, 0, "SS", &[], &[0]), row(0, 0, "SS", &[2], &[2]), row(0, 1, "D-", &[1], &[1])];
        Structure::new(offset, 1, &[Some(0), Some(0)], rows, Vec::new()).unwrap()
    }

    /// Full SVC with two spatial and two temporal layers; targets S1T1, S1T0, S0T1, S0T0.
    pub(crate) fn l2t2() -> Structure {
        let rows = vec![
            row(0, 0, "SSSS", &[], &[0, 0]),
            row(0, 0, "RRSS", &[4], &[4, 3]),
            row(0, 1, "R-D-", &[2], &[2, 1]),
            row(1, 0, "SS--", &[1], &[1, 1]),
            row(1, 0, "SS--", &[4, 1], &[1, 1]),
            row(1, 1, "D---", &[2, 1], &[3, 2]),
        ];
        Structure::new(0, 2, &[Some(1), Some(1), Some(0), Some(0)], rows, Vec::new()).unwrap()
    }

    /// K-SVC with two spatial layers; targets S1, S0.
    fn l2t1_key() -> Structure {
        let rows = vec![
            row(0, 0, "SS", &[], &[0, 0]),
            row(0, 0, "-S", &[2], &[2, 1]),
            row(1, 0, "S-", &[1], &[1, 1]),
            row(1, 0, "S-", &[2], &[1, 2]),
        ];
        Structure::new(0, 2, &[Some(1), Some(0)], rows, Vec::new()).unwrap()
    }

    /// A descriptor of template `id`, as the first packet of its frame.
    pub(crate) fn value(structure: &Structure, id: u8, number: u16, with_structure: bool) -> Vec<u8> {
        let descriptor = DependencyDescriptor {
            start_of_frame: true,
            end_of_frame: true,
            template_id: id,
            frame_number: number,
            structure_offset: with_structure.then(|| structure.template_id_offset()),
            ..DependencyDescriptor::default()
        };
        let mut buffer = [0; 255];
        let len = descriptor.write(structure, &mut buffer).unwrap();
        buffer[..len].to_vec()
    }

    const fn layer(spatial: u8, temporal: u8) -> Layer {
        Layer { spatial, temporal }
    }

    fn at(table: &TargetTable, template: usize, unsent: bool) -> Occasion {
        let row = &table.structure().templates()[template];
        Occasion { dtis: row.dtis, unsent, decodable: true }
    }

    #[test]
    fn the_best_target_is_the_highest_wanted_and_active_one() {
        let table = TargetTable::new(l2t2());
        let all = table.structure().all_decode_targets();
        assert_eq!(table.best(Layer::MAX, all), Some(0));
        assert_eq!(table.best(layer(0, 7), all), Some(2));
        assert_eq!(table.best(Layer::MAX, DecodeTargets::from_bits(0b1100)), Some(2), "the publisher stopped S1");
        assert_eq!(table.best(layer(0, 0), DecodeTargets::from_bits(0b0011)), Some(1), "nothing so low is there");
        assert_eq!(table.best(Layer::MAX, DecodeTargets::NONE), None);
    }

    #[test]
    fn in_full_svc_down_is_at_the_next_picture() {
        let table = TargetTable::new(l2t2());
        let all = table.structure().all_decode_targets();
        assert_eq!(table.choose(0, layer(0, 1), all, &at(&table, 5, false)), 0, "not within a picture");
        assert_eq!(table.choose(0, layer(0, 1), all, &at(&table, 2, true)), 2);
        assert_eq!(table.choose(0, layer(1, 0), all, &at(&table, 5, false)), 0, "nor the frame rate");
        assert_eq!(table.choose(0, layer(1, 0), all, &at(&table, 2, true)), 1);
        assert!(!table.needs_keyframe(0, layer(0, 0), all));
    }

    #[test]
    fn up_waits_for_a_frame_that_says_switch() {
        let table = TargetTable::new(l2t2());
        let all = table.structure().all_decode_targets();
        assert_eq!(table.choose(1, Layer::MAX, all, &at(&table, 1, true)), 1, "only required for S1T1");
        assert_eq!(table.choose(1, Layer::MAX, all, &at(&table, 4, false)), 0);
        let broken = Occasion { decodable: false, ..at(&table, 4, false) };
        assert_eq!(table.choose(1, Layer::MAX, all, &broken), 1);
        assert!(table.needs_keyframe(3, Layer::MAX, all) && !table.needs_keyframe(1, Layer::MAX, all));
    }

    #[test]
    fn what_is_second_best_is_taken_until_the_best_can_be() {
        let table = TargetTable::new(l2t2());
        let all = table.structure().all_decode_targets();
        assert_eq!(table.choose(3, Layer::MAX, all, &at(&table, 1, true)), 2, "S0T1, while S1 waits for a keyframe");
    }

    #[test]
    fn in_k_svc_both_ways_need_a_keyframe() {
        let table = TargetTable::new(l2t1_key());
        let all = table.structure().all_decode_targets();
        assert!(table.needs_keyframe(0, layer(0, 0), all) && table.needs_keyframe(1, Layer::MAX, all));
        let inter = Occasion { decodable: false, ..at(&table, 1, true) };
        assert_eq!(table.choose(0, layer(0, 0), all, &inter), 0, "its references were left out");
        assert_eq!(table.choose(0, layer(0, 0), all, &at(&table, 0, true)), 1);
        assert_eq!(table.nested(0).bits(), 0b01);
    }

    /// K-SVC with three spatial layers; targets S2, S1, S0; the templates of keyframes, then those behind them.
    fn l3t1_key() -> Structure {
        let rows = vec![
            row(0, 0, "SSS", &[], &[0, 0, 0]),
            row(0, 0, "--S", &[3], &[1, 2, 3]),
            row(1, 0, "SS-", &[1], &[1, 1, 1]),
            row(1, 0, "-S-", &[3], &[2, 3, 1]),
            row(2, 0, "S--", &[1], &[1, 1, 2]),
            row(2, 0, "S--", &[3], &[3, 1, 2]),
        ];
        Structure::new(0, 3, &[Some(2), Some(1), Some(0)], rows, Vec::new()).unwrap()
    }

    #[test]
    fn another_size_is_taken_only_when_it_is_the_best() {
        let table = TargetTable::new(l3t1_key());
        let all = table.structure().all_decode_targets();
        assert_eq!(table.choose(0, layer(1, 0), all, &at(&table, 1, true)), 0, "S0 would be a dead end");
        assert_eq!(table.choose(0, layer(1, 0), all, &at(&table, 3, true)), 1, "S0 did not go out, so S1 may begin");
        assert_eq!(table.choose(0, layer(1, 0), all, &at(&table, 3, false)), 0);
    }

    #[test]
    fn who_falls_gets_the_best_smaller_picture_that_is_nested() {
        let table = TargetTable::new(l2t2());
        assert_eq!((table.smaller(0), table.smaller(1), table.smaller(2)), (Some(2), Some(3), None));
        assert_eq!(TargetTable::new(l3t1_key()).smaller(0), None);
    }
}

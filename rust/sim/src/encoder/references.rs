//! The temporal patterns and what each of their frames refers to.

use super::structure::{InterLayer, Payload, Structure};

/// The newest frame of each temporal layer of one spatial layer.
type Newest = [Option<u32>; 3];

/// Where the encoder stands in its pattern.
#[derive(Debug)]
pub(super) struct References {
    structure: Structure,
    newest: Vec<Newest>,
    /// Of the current picture, since the keyframe.
    position: u64,
    keyframe: bool,
}

impl References {
    pub(super) fn new(structure: Structure) -> Self {
        let newest = vec![Newest::default(); usize::from(structure.spatial)];
        Self { structure, newest, position: 0, keyframe: false }
    }

    pub(super) fn begin_picture(&mut self, keyframe: bool) {
        self.keyframe = keyframe;
        if keyframe {
            self.newest.fill(Newest::default());
            self.position = 0;
        } else {
            self.position += 1;
        }
    }

    /// Whether the current picture is a keyframe's.
    pub(super) const fn in_keyframe(&self) -> bool {
        self.keyframe
    }

    /// The temporal layer of the current picture.
    pub(super) const fn temporal(&self) -> u8 {
        match self.structure.temporal {
            1 => 0,
            2 => (self.position % 2) as u8,
            _ => [0, 2, 1, 2][(self.position % 4) as usize],
        }
    }

    /// What the frame `index` of this spatial layer refers to; it is the newest of its layer from then on.
    pub(super) fn of_layer(&mut self, spatial: u8, index: u32) -> Vec<u32> {
        let mut references = if self.keyframe { Vec::new() } else { self.earlier(spatial) };
        let inter_layer = match self.structure.inter_layer {
            InterLayer::Always => true,
            InterLayer::AtKeyframes => self.keyframe,
            InterLayer::Never => false,
        };
        if inter_layer && spatial > 0 {
            references.push(index - 1);
        }
        let temporal = usize::from(self.temporal());
        self.newest[usize::from(spatial)][temporal] = Some(index);
        references
    }

    fn earlier(&self, spatial: u8) -> Vec<u32> {
        let [base, middle, top] = self.newest[usize::from(spatial)];
        let group = if self.structure.temporal == 2 { self.position / 2 } else { self.position / 4 };
        let back = self.structure.looks_back && group % 2 == 1;
        let last_of_three = self.structure.temporal == 3 && self.position % 4 == 3;
        let mut references = match self.temporal() {
            0 => vec![base],
            1 => vec![base, middle.filter(|_| back)],
            // The second frame of layer 2 refers to the frame of layer 1 between them; where that was skipped, to the frame of
            // layer 0, which is a switch point and not looked back beyond.
            _ if last_of_three && !self.structure.looks_back => vec![middle.max(base)],
            _ if last_of_three => vec![base, middle],
            _ => vec![base, middle.filter(|_| back)],
        };
        if back && self.structure.payload == Payload::Vp8 && self.temporal() == 2 {
            references.push(top);
        }
        references.into_iter().flatten().collect()
    }
}

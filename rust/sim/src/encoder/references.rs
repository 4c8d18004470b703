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

    /// Where a spatial layer stands in the pattern: behind a keyframe the lower ones are ahead, so that no two of a picture are of
    /// temporal layer 0.
    const fn position(&self, spatial: u8) -> u64 {
        let ahead = match self.structure.inter_layer {
            InterLayer::Shifted if self.position > 0 => [0, 1, 3][(self.structure.spatial - 1 - spatial) as usize % 3],
            _ => 0,
        };
        self.position + ahead
    }

    /// The temporal layer of the current picture's frame.
    pub(super) const fn temporal(&self, spatial: u8) -> u8 {
        match self.structure.temporal {
            1 => 0,
            2 => (self.position(spatial) % 2) as u8,
            _ => [0, 2, 1, 2][(self.position(spatial) % 4) as usize],
        }
    }

    /// What the frame `index` of this spatial layer refers to; it is the newest of its layer from then on.
    pub(super) fn of_layer(&mut self, spatial: u8, index: u32) -> Vec<u32> {
        let mut references = if self.keyframe { Vec::new() } else { self.earlier(spatial) };
        let inter_layer = match self.structure.inter_layer {
            InterLayer::Always => true,
            InterLayer::AtKeyframes | InterLayer::Shifted => self.keyframe,
            InterLayer::Never => false,
        };
        if inter_layer && spatial > 0 {
            references.push(index - 1);
        }
        let temporal = usize::from(self.temporal(spatial));
        self.newest[usize::from(spatial)][temporal] = Some(index);
        references
    }

    fn earlier(&self, spatial: u8) -> Vec<u32> {
        let [base, middle, top] = self.newest[usize::from(spatial)];
        let position = self.position(spatial);
        let group = if self.structure.temporal == 2 { position / 2 } else { position / 4 };
        let back = self.structure.looks_back && group % 2 == 1;
        let last_of_three = self.structure.temporal == 3 && position % 4 == 3;
        let mut references = match self.temporal(spatial) {
            0 => vec![base],
            1 => vec![base, middle.filter(|_| back)],
            // The second frame of layer 2 refers to the frame of layer 1 between them; where that was skipped, to the frame of
            // layer 0, which is a switch point and not looked back beyond.
            _ if last_of_three && !self.structure.looks_back => vec![middle.max(base)],
            _ if last_of_three => vec![base, middle],
            _ => vec![base, middle.filter(|_| back)],
        };
        if back && self.structure.payload == Payload::Vp8 && self.temporal(spatial) == 2 {
            references.push(top);
        }
        references.into_iter().flatten().collect()
    }
}

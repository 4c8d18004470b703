//! The byte stream format: NAL units behind start codes (ITU-T H.264 and H.265, annex B).

/// In front of every NAL unit.
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Begins a NAL unit whose header is `header`.
pub(super) fn start_unit(stream: &mut Vec<u8>, header: &[u8]) {
    stream.extend_from_slice(&START_CODE);
    stream.extend_from_slice(header);
}

/// Parameter sets take so many bytes at most: a publisher may send new ones for ever.
const MAX_SETS: usize = 16 << 10;

/// The parameter sets that came last: a keyframe that came without gets them.
#[derive(Debug, Default)]
pub(super) struct ParameterSets {
    stream: Vec<u8>,
}

impl ParameterSets {
    /// A picture begins with these sets, in Annex B; `complete`: the ones before are void.
    pub(super) fn learn(&mut self, stream: &[u8], complete: bool) {
        if complete || self.stream.len() + stream.len() > MAX_SETS {
            self.stream.clear();
        }
        self.stream.extend_from_slice(stream);
    }

    /// In Annex B.
    pub(super) fn stream(&self) -> &[u8] {
        &self.stream
    }
}

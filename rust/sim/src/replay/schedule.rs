//! When a subscriber wants which layer: lines of `SECONDS SPATIAL TEMPORAL`, with `#` comments.

use std::time::Duration;

use sfu_core::layer::Layer;
use thiserror::Error;

/// One line: from this time on, nothing above this layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Since the capture's first packet.
    pub at: Duration,
    /// Not above this.
    pub target: Layer,
}

/// Steps in the order of their times; before the first there is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedule {
    /// The steps.
    pub steps: Vec<Step>,
}

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "line {line} of the schedule: {problem}; a line is SECONDS SPATIAL TEMPORAL, such as `2.5 1 2`, and not {text:?}"
)]
pub struct ScheduleError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
    /// The line.
    pub text: String,
}

impl Schedule {
    /// Reads the lines. They may stand in any order; of two for one time the later one counts.
    ///
    /// # Errors
    /// Names the first line that is none.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        let mut steps = Vec::new();
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let content = line.split('#').next().unwrap_or_default().trim();
            if content.is_empty() {
                continue;
            }
            let step = step(content).map_err(|problem| ScheduleError {
                line: index + 1,
                problem,
                text: line.trim().to_owned(),
            })?;
            steps.push(step);
        }
        steps.sort_by_key(|step| step.at);
        Ok(Self { steps })
    }
}

fn step(line: &str) -> Result<Step, String> {
    let words: Vec<&str> = line.split([' ', '\t', ',']).filter(|word| !word.is_empty()).collect();
    let [seconds, spatial, temporal] = words[..] else {
        return Err(format!("{} words instead of three", words.len()));
    };
    let at = seconds.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let at = at.ok_or_else(|| format!("{seconds:?} is no time in seconds"))?;
    let layer =
        |word: &str| word.parse::<u8>().map_err(|_| format!("{word:?} is no layer's number, which count from 0"));
    Ok(Step { at, target: Layer { spatial: layer(spatial)?, temporal: layer(temporal)? } })
}

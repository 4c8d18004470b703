//! A whole description: what stands above the sections, and the sections.

use super::row::{Row, TransportLines};
use super::section::{RemoteExtmap, RemoteSection};
use crate::negotiation::direction::Direction;

/// A client's description.
#[derive(Debug, Default)]
pub(in crate::negotiation) struct Description<'a> {
    /// `a=ice-lite`.
    pub(in crate::negotiation) ice_lite: Option<Row<'a>>,
    /// The tags of the first `a=group:BUNDLE` that has any.
    pub(in crate::negotiation) bundle: Option<Vec<String>>,
    /// What stands above the sections.
    pub(in crate::negotiation) transport: TransportLines<'a>,
    pub(in crate::negotiation) sections: Vec<RemoteSection<'a>>,
    pub(super) allow_mixed: bool,
    pub(super) direction: Option<Direction>,
    pub(super) extmaps: Vec<RemoteExtmap>,
}

impl Description<'_> {
    /// Sections take over what stands above them, unless they say otherwise.
    pub(super) fn inherit(&mut self) {
        for section in &mut self.sections {
            section.allow_mixed |= self.allow_mixed;
            section.extmaps.extend_from_slice(&self.extmaps);
            if let (false, Some(direction)) = (section.own_direction, self.direction) {
                section.direction = direction;
            }
        }
    }
}

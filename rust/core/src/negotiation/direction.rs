//! Who sends and who receives in a section.

/// `sendrecv` and its siblings, seen from whoever says it (RFC 8866 §6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Direction {
    pub(super) sends: bool,
    pub(super) receives: bool,
}

impl Direction {
    pub(super) const BOTH: Self = Self { sends: true, receives: true };
    pub(super) const SEND: Self = Self { sends: true, receives: false };
    pub(super) const RECEIVE: Self = Self { sends: false, receives: true };
    pub(super) const NONE: Self = Self { sends: false, receives: false };

    /// The same seen from the other side.
    pub(super) const fn reversed(self) -> Self {
        Self { sends: self.receives, receives: self.sends }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match (self.sends, self.receives) {
            (true, true) => "sendrecv",
            (true, false) => "sendonly",
            (false, true) => "recvonly",
            (false, false) => "inactive",
        }
    }
}

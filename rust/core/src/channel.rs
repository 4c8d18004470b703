//! A data channel as the application knows it: an id over one stream of a session's SCTP association.

use sfu_transport::StreamId;

use crate::arena::ConnectionId;

/// See the module's text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Channel {
    pub(crate) connection: ConnectionId,
    pub(crate) stream: StreamId,
}

//! Answers to commands.

use pyo3::prelude::*;
use sfu_core::command::{CommandError, Reply};
use sfu_runtime::CommandFailure;

use crate::description::Description;
use crate::stats;
use crate::tap::TapFrames;

record! {
    /// A refused command: nothing has changed.
    CommandFailed {
        code: &'static str,
        message: String,
    }
}

/// What the stub calls `Reply`.
pub(crate) fn from_runtime(py: Python<'_>, reply: Result<Reply, CommandFailure>) -> PyResult<Py<PyAny>> {
    let object = match reply {
        Ok(Reply::Done | Reply::Description(None)) => py.None(),
        Ok(Reply::Pending(_)) => unreachable!("a shard keeps a command until it is answered"),
        Ok(Reply::Room(id)) => number(py, id.get())?,
        Ok(Reply::Session(id)) => number(py, id.get())?,
        Ok(Reply::Subscription(id)) => number(py, id.get())?,
        Ok(Reply::Channel(id)) => number(py, id.get())?,
        Ok(Reply::Tap(id)) => number(py, id.get())?,
        Ok(Reply::Frames(of)) => TapFrames::from_core(py, *of)?.into_any(),
        Ok(Reply::Description(Some(description))) => Description::from_core(py, description)?.into_any(),
        Ok(Reply::IceCredentials(ice)) => (ice.ufrag, ice.pwd).into_pyobject(py)?.into_any().unbind(),
        Ok(Reply::Sent(taken)) => taken.into_pyobject(py)?.to_owned().into_any().unbind(),
        Ok(Reply::SfuStats(of)) => stats::SfuStats::from_core(py, &of)?.into_any(),
        Ok(Reply::RoomStats(of)) => stats::RoomStats::from_core(py, *of)?.into_any(),
        Ok(Reply::SessionStats(of)) => stats::SessionStats::from_core(py, *of)?.into_any(),
        Err(failure) => {
            let failed = CommandFailed { code: code(&failure), message: failure.to_string() };
            Py::new(py, failed)?.into_any()
        }
    };
    Ok(object)
}

fn number(py: Python<'_>, id: u64) -> PyResult<Py<PyAny>> {
    Ok(id.into_pyobject(py)?.into_any().unbind())
}

fn code(failure: &CommandFailure) -> &'static str {
    let CommandFailure::Refused(error) = failure else {
        return "internal";
    };
    match error {
        CommandError::RoomClosed => "room_closed",
        CommandError::RoomFull(_) => "room_full",
        CommandError::RoomUnavailable => "room_unavailable",
        CommandError::SessionClosed => "session_closed",
        CommandError::TrackEnded => "track_ended",
        CommandError::SubscriptionEnded => "subscription_ended",
        CommandError::TapEnded => "tap_ended",
        CommandError::ChannelClosed => "channel_closed",
        CommandError::NotInRoom => "not_in_room",
        CommandError::AlreadySubscribed => "already_subscribed",
        CommandError::NoSuchTransport(_) => "no_such_transport",
        CommandError::MessageTooLarge(_) => "message_too_large",
        CommandError::Negotiation(_) => "negotiation",
        CommandError::Candidate(_) => "candidate",
        _ => "internal",
    }
}

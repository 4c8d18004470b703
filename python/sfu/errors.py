"""Every exception that `sfu` raises on purpose.

Each message says what to change. All derive from `SfuError` and, where one fits, from the built-in that a caller would
expect::

    SfuError
    ├── ConfigError (ValueError)            a setting that cannot work
    ├── UsageError (RuntimeError)           the API was called in a way that cannot work
    │   ├── NotRunning                      the server has not started or is closed
    │   ├── WrongLoop                       called from another event loop, or from none
    │   └── WrongProcess                    called after a fork
    ├── TokenError (ValueError)             an access token does not verify
    ├── TransportError (OSError)            a socket could not be had
    ├── NegotiationError (ValueError)       an SDP or candidate was refused; the session lives on
    ├── RoomError
    │   ├── RoomClosed
    │   ├── RoomExists
    │   ├── RoomNotFound (LookupError)
    │   ├── RoomFull                        `max_sessions` of the room
    │   ├── RoomUnavailable                 the shard of the room does not answer
    │   ├── TooManyRooms                    `max_rooms` of the server
    │   └── TooManySessions                 `max_sessions` of the server
    ├── SessionError
    │   ├── Forbidden                       the session was joined without this permission
    │   └── SessionClosed (ConnectionError)
    │       └── SessionReplaced             the same identity joined again
    ├── TrackError
    │   ├── TrackEnded
    │   ├── TrackBusy                       a second dump of one track at the same time
    │   └── NotInRoom                       its own track, or a track of another room
    ├── SubscriptionError
    │   ├── AlreadySubscribed
    │   └── SubscriptionEnded
    ├── ChannelError
    │   ├── ChannelClosed (ConnectionError)
    │   └── MessageTooLarge (ValueError)
    └── MediaError                          frames cannot be decoded here
        ├── MediaMissing (ImportError)      PyAV is not installed: `pip install sfu[media]`
        ├── DecoderMissing                  PyAV was built without the codec
        └── ConversionFailed                PyAV cannot turn a frame into the format that was asked for

Wrong types raise the built-in `TypeError`, as everywhere in Python.
"""

__all__ = [
    "AlreadySubscribed",
    "ChannelClosed",
    "ChannelError",
    "ConfigError",
    "ConversionFailed",
    "DecoderMissing",
    "Forbidden",
    "MediaError",
    "MediaMissing",
    "MessageTooLarge",
    "NegotiationError",
    "NotInRoom",
    "NotRunning",
    "RoomClosed",
    "RoomError",
    "RoomExists",
    "RoomFull",
    "RoomNotFound",
    "RoomUnavailable",
    "SessionClosed",
    "SessionError",
    "SessionReplaced",
    "SfuError",
    "SubscriptionEnded",
    "SubscriptionError",
    "TokenError",
    "TooManyRooms",
    "TooManySessions",
    "TrackBusy",
    "TrackEnded",
    "TrackError",
    "TransportError",
    "UsageError",
    "WrongLoop",
    "WrongProcess",
]


class SfuError(Exception):
    """The root of the tree above."""


class ConfigError(SfuError, ValueError):
    """A setting cannot work; the message names it and what it may be."""


class UsageError(SfuError, RuntimeError):
    """The API was called in a way that cannot work."""


class NotRunning(UsageError):
    """The server has not been started, or has been closed."""


class WrongLoop(UsageError):
    """Called from another event loop than the server's, or from none."""


class WrongProcess(UsageError):
    """Called in a forked child: threads and sockets stay with the parent."""


class TokenError(SfuError, ValueError):
    """An access token does not verify."""


class TransportError(SfuError, OSError):
    """A socket could not be had: port in use, address not of this machine."""


class NegotiationError(SfuError, ValueError):
    """An SDP or candidate was refused. The message names the line; the session lives on."""


class RoomError(SfuError):
    """Something about a room."""


class RoomClosed(RoomError):
    """The room is closed."""


class RoomExists(RoomError):
    """A room of this name is there already."""


class RoomNotFound(RoomError, LookupError):
    """There is no room of this name."""


class RoomFull(RoomError):
    """The room holds its `max_sessions`."""


class RoomUnavailable(RoomError):
    """The shard where the room lives has not answered within a second: it has stalled. Trying again may help."""


class TooManyRooms(RoomError):
    """The server holds its `max_rooms`."""


class TooManySessions(RoomError):
    """The server holds its `max_sessions`."""


class SessionError(SfuError):
    """Something about a session."""


class Forbidden(SessionError):
    """The session was joined without this permission."""


class SessionClosed(SessionError, ConnectionError):
    """The session is over."""


class SessionReplaced(SessionClosed):
    """The session is over because its identity joined the room again."""


class TrackError(SfuError):
    """Something about a track."""


class TrackEnded(TrackError):
    """The track is no longer published."""


class TrackBusy(TrackError):
    """The track is being dumped already."""


class NotInRoom(TrackError):
    """A session subscribes to the tracks of the others in its own room only."""


class SubscriptionError(SfuError):
    """Something about a subscription."""


class AlreadySubscribed(SubscriptionError):
    """The session is subscribed to this track already."""


class SubscriptionEnded(SubscriptionError):
    """The subscription is over."""


class ChannelError(SfuError):
    """Something about a data channel."""


class ChannelClosed(ChannelError, ConnectionError):
    """The channel is closed."""


class MessageTooLarge(ChannelError, ValueError):
    """A message is larger than 256 KiB."""


class MediaError(SfuError):
    """Frames cannot be decoded here; `encoded_frames` work."""


class MediaMissing(MediaError, ImportError):
    """PyAV is not installed: `pip install sfu[media]`."""


class DecoderMissing(MediaError):
    """PyAV was built without a decoder for the track's codec."""


class ConversionFailed(MediaError):
    """PyAV cannot turn a decoded frame into the format that was asked for; `__cause__` is PyAV's own exception."""

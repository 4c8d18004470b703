//! Ids of what lives in an [`Sfu`](crate::Sfu). The upper 16 bits carry the shard that made the id, so that a command
//! finds its shard without a table.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// From the plain number, as it crosses a language border.
            pub const fn new(value: u64) -> Self {
                Self(value)
            }

            /// The plain number.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The shard that made the id.
            pub const fn shard(self) -> u16 {
                (self.0 >> 48) as u16
            }
        }
    };
}

id!(/// People exchanging media.
    RoomId);
id!(/// One connected peer.
    SessionId);
id!(/// A published source, keyed by session and mid.
    TrackId);
id!(/// A track going to one subscriber.
    SubscriptionId);
id!(/// A track going to the application itself.
    TapId);
id!(/// A data channel of a session.
    ChannelId);

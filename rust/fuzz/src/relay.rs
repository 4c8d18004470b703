//! What another shard says, whatever the bytes: nobody panics, what is said back is whole, and a join is answered in time.

use std::time::{Duration, Instant};

use sfu_core::Sfu;
use sfu_core::command::{Command, Reply};
use sfu_core::config::{SessionConfig, SfuConfig};
use sfu_core::id::RoomId;
use sfu_core::relay::messages;
use sfu_sim::world::sfu_config;
use sfu_transport::Egress;

/// The first that the other shard makes.
const ROOM: RoomId = RoomId::new(1 << 24);

pub(crate) fn run(bytes: &[u8]) {
    let start = Instant::now();
    let mut egress = Egress::new();
    let mut sfu = Sfu::new(start, SfuConfig { shard: 1, shards: 2, ..sfu_config(1) });
    let joined = sfu.handle_command(start, Command::Join(ROOM, SessionConfig::default()), &mut egress);
    assert!(matches!(joined, Ok(Reply::Pending(_))), "{joined:?}");
    sfu.handle_relay(start, 0, bytes, &mut egress);
    sfu.forward(start, usize::MAX, &mut egress);
    for second in 0..3 {
        sfu.handle_timeout(start + Duration::from_secs(second), &mut egress);
        while let Some((to, said)) = sfu.poll_relay() {
            assert_eq!((to, messages(said).map(<[u8]>::len).sum()), (0, said.len()));
        }
    }
    assert!(sfu.poll_reply().is_some(), "nobody waits for more than a second");
}

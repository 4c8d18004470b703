//! A hundred servers come and go and leave no thread and no descriptor behind. Alone in its file: it counts those of the
//! whole process.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use log::LevelFilter;
use sfu_core::command::Command;
use sfu_core::config::{Estimation, RoomConfig};
use sfu_runtime::{CoreSettings, RuntimeConfig, Server};
use sfu_wire::Bitrate;

fn config() -> RuntimeConfig {
    RuntimeConfig {
        udp: vec!["127.0.0.1:0".parse().expect("an address"), "[::]:0".parse().expect("an address")],
        announce: Vec::new(),
        shards: Some(1),
        spread: false,
        steer: true,
        hold: Duration::ZERO,
        pin: Vec::new(),
        receive_buffer: 1 << 20,
        send_buffer: 1 << 20,
        certificate: None,
        event_capacity: 1024,
        log_level: LevelFilter::Off,
        core: CoreSettings {
            consent_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(20),
            max_half_open: 16,
            channel_buffer: 1 << 20,
            remb: Bitrate::new(8_000_000),
            estimation: Estimation::default(),
        },
    }
}

fn entries(directory: &str) -> usize {
    fs::read_dir(directory).expect("Linux").count()
}

fn threads_and_descriptors() -> (usize, usize) {
    (entries("/proc/self/task"), entries("/proc/self/fd"))
}

#[test]
fn start_and_stop_leave_nothing_behind() {
    drop(Server::start(&config()).expect("it starts"));
    let before = threads_and_descriptors();
    for number in 0..100 {
        let server = Server::start(&config()).expect("it starts");
        server.command(Command::CreateRoom(RoomConfig::default())).expect("it takes commands");
        if number % 2 == 0 {
            server.close();
            server.close();
        }
    }
    // The kernel takes a joined thread out of the list a moment after it wakes the joiner.
    let deadline = Instant::now() + Duration::from_secs(5);
    while threads_and_descriptors() != before && Instant::now() < deadline {
        thread::yield_now();
    }
    assert_eq!(threads_and_descriptors(), before);

    let server = Server::start(&config()).expect("it starts");
    let (_, started) = threads_and_descriptors();
    server.command(Command::CreateRoom(RoomConfig::default())).expect("it takes commands");
    assert!(server.wait(Some(Duration::from_secs(10))), "it answers");
    assert_eq!(threads_and_descriptors().1, started, "the thread opens nothing of its own");
}

//! A server as the application sees it: start, commands and answers, close.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use log::LevelFilter;
use sfu_core::command::{Command, CommandError, Reply};
use sfu_core::config::{Estimation, RoomConfig, SessionConfig};
use sfu_core::id::{RoomId, SessionId};
use sfu_runtime::{
    CertificatePem, CommandFailure, CoreSettings, Drained, MAX_HOLD, RuntimeConfig, Server, ServerGone, StartError,
};
use sfu_wire::Bitrate;

fn config(udp: &str) -> RuntimeConfig {
    RuntimeConfig {
        udp: vec![udp.parse().expect("an address")],
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
        log_level: LevelFilter::Info,
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

fn server() -> Server {
    Server::start(&config("127.0.0.1:0")).expect("it starts")
}

/// Drains until there are `count` replies.
fn replies(server: &Server, count: usize) -> Drained {
    let mut all = Drained::default();
    while all.replies.len() < count {
        assert!(server.wait(Some(Duration::from_secs(10))), "only {all:?}");
        let mut drained = Drained::default();
        server.drain(&mut drained).expect("the same process");
        all.replies.append(&mut drained.replies);
        all.logs.append(&mut drained.logs);
    }
    all
}

#[test]
fn a_port_in_use_is_named() {
    let server = server();
    let taken = server.candidates()[0];
    let error = Server::start(&config(&taken.to_string())).expect_err("it is taken");
    assert!(matches!(error, StartError::PortInUse { address, .. } if address == taken));
    assert!(error.to_string().contains(&taken.port().to_string()), "{error}");
    assert_eq!(error.os_error().map(std::io::Error::kind), Some(ErrorKind::AddrInUse));
}

#[test]
fn what_would_be_heard_is_no_hold() {
    let hold = MAX_HOLD + Duration::from_nanos(1);
    let error = Server::start(&RuntimeConfig { hold, ..config("127.0.0.1:0") }).expect_err("it is too long");
    assert_eq!(error.to_string(), "hold: 500.001µs is too long: 500µs at most");
    assert!(Server::start(&RuntimeConfig { hold: MAX_HOLD, ..config("127.0.0.1:0") }).is_ok());
}

#[test]
fn commands_from_many_threads_are_answered_once_each() {
    let server = server();
    let tickets: BTreeSet<u64> = thread::scope(|scope| {
        let ask = || {
            let create = |_| server.command(Command::CreateRoom(RoomConfig::default())).expect("it is open").get();
            (0..50).map(create).collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(tickets.len(), 200, "tickets are unique");
    let drained = replies(&server, 200);
    let answered: BTreeSet<u64> = drained.replies.iter().map(|(ticket, _)| ticket.get()).collect();
    let rooms: BTreeSet<RoomId> = drained
        .replies
        .iter()
        .map(|(_, reply)| match reply {
            Ok(Reply::Room(room)) => *room,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!((answered, rooms.len()), (tickets, 200));
    let mut more = Drained::default();
    server.drain(&mut more).expect("the same process");
    assert!(more.replies.is_empty());
}

#[test]
fn a_room_is_made_joined_counted_and_closed() {
    let server = server();
    let ask = |command| {
        server.command(command).expect("it is open");
        replies(&server, 1).replies.remove(0).1
    };
    let Ok(Reply::Room(room)) = ask(Command::CreateRoom(RoomConfig::default())) else { panic!("no room") };
    assert!(matches!(ask(Command::Join(room, SessionConfig::default())), Ok(Reply::Session(_))));
    let Ok(Reply::SfuStats(stats)) = ask(Command::SfuStats) else { panic!("no statistics") };
    assert_eq!((stats.rooms, stats.sessions), (1, 1));
    assert!(matches!(ask(Command::CloseRoom(room)), Ok(Reply::Done)));
    let refused = ask(Command::Join(room, SessionConfig::default()));
    assert_eq!(refused.err(), Some(CommandFailure::Refused(CommandError::RoomClosed)));
}

#[test]
fn an_id_of_no_shard_is_refused() {
    let server = server();
    server.command(Command::CloseSession(SessionId::new(u64::MAX))).expect("it is open");
    let drained = replies(&server, 1);
    assert!(matches!(drained.replies[0].1, Err(CommandFailure::Refused(_))), "{drained:?}");
}

#[test]
fn a_close_answers_what_was_asked_before_and_takes_nothing_more() {
    let server = server();
    let ticket = server.command(Command::SfuStats).expect("it is open");
    server.close();
    assert_eq!(server.command(Command::SfuStats), Err(ServerGone::Closed));
    let drained = replies(&server, 1);
    assert_eq!(drained.replies[0].0, ticket);
    assert!(matches!(drained.replies[0].1, Ok(Reply::SfuStats(_))));
}

#[test]
fn start_is_logged_by_level_and_names_no_address() {
    let server = server();
    server.command(Command::SfuStats).expect("it is open");
    let drained = replies(&server, 1);
    assert!(drained.logs.iter().any(|record| record.target.starts_with("sfu_runtime")), "{drained:?}");
    assert!(drained.logs.iter().all(|record| !record.message.contains("127.0.0.1")), "{drained:?}");
}

#[test]
fn wrong_settings_say_what_to_change() {
    let refused = |change: &dyn Fn(&mut RuntimeConfig)| {
        let mut config = config("127.0.0.1:0");
        change(&mut config);
        Server::start(&config).expect_err("refused").to_string()
    };
    assert!(refused(&|config| config.udp.clear()).contains("0.0.0.0:7882"));
    assert!(refused(&|config| config.shards = Some(0)).contains("shards"));
    assert!(refused(&|config| config.pin = vec![0, 0]).contains("2 processors for 1 threads"));
    assert!(refused(&|config| config.pin = vec![1000]).contains("processor 1000 is not one that this process may use"));
    assert!(refused(&|config| config.announce.push("2001:db8::1".parse().expect("an address"))).contains("[::]:7882"));
    let pem = CertificatePem { certificate: String::from("x"), private_key: String::from("y") };
    assert!(refused(&|config| config.certificate = Some(pem.clone())).contains("certificate"));
}

#[test]
fn announced_addresses_are_the_candidates() {
    let mut config = config("0.0.0.0:0");
    config.announce.push("203.0.113.7".parse().expect("an address"));
    let server = Server::start(&config).expect("it starts");
    let [SocketAddr::V4(candidate)] = server.candidates() else { panic!("{:?}", server.candidates()) };
    assert_eq!(candidate.ip().octets(), [203, 0, 113, 7]);
    assert_ne!(candidate.port(), 0);
    assert!(server.fingerprint().starts_with("sha-256 "));
}

#[test]
fn what_the_kernel_drops_is_counted() {
    let mut config = config("127.0.0.1:0");
    // The kernel makes it as small as it can: room for two datagrams.
    config.receive_buffer = 1;
    let server = Server::start(&config).expect("it starts");
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(server.candidates()[0]).expect("a loopback address");
    let counted = (0..100).any(|_| {
        for _ in 0..1000 {
            socket.send(&[0; 1200]).expect("loopback takes it");
        }
        server.command(Command::SfuStats).expect("it is open");
        match replies(&server, 1).replies.remove(0).1 {
            Ok(Reply::SfuStats(stats)) => stats.dropped.kernel > 0 && stats.dropped.unknown_path > 0,
            other => panic!("{other:?}"),
        }
    });
    assert!(counted);
}

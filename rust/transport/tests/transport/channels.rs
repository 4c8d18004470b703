//! Data channels end to end: every kind of message, limits, back-pressure, closing from both sides.

use std::time::Duration;

use crate::support::{CHANNEL_BUFFER, Net};
use sfu_transport::{ChannelError, ChannelEvent, ChannelParameters, StreamId};

fn parameters(label: &str) -> ChannelParameters {
    ChannelParameters { label: label.into(), ..ChannelParameters::default() }
}

/// A channel that the client opened.
fn opened_by_client(net: &mut Net, parameters: ChannelParameters) -> StreamId {
    let stream = net.client.open_channel(net.now, parameters.clone()).unwrap();
    net.run_for(Duration::from_millis(500));
    assert_eq!(
        net.server_channel_events(),
        [ChannelEvent::Opened { stream, parameters: parameters.clone(), by_peer: true }]
    );
    assert_eq!(net.client_channel_events(), [ChannelEvent::Opened { stream, parameters, by_peer: false }]);
    net.server_events.clear();
    net.client_events.clear();
    stream
}

fn messages(events: &[ChannelEvent]) -> Vec<(bool, Vec<u8>)> {
    let message = |event: &ChannelEvent| match event {
        ChannelEvent::Message { binary, payload, .. } => Some((*binary, payload.clone())),
        _ => None,
    };
    events.iter().filter_map(message).collect()
}

#[test]
fn ids_are_even_for_the_client_and_odd_for_the_server() {
    let mut net = Net::connected();
    for number in 0..3 {
        assert_eq!(net.client.open_channel(net.now, parameters("c")).unwrap(), StreamId::new(number * 2));
        assert_eq!(net.server.open_channel(net.now, parameters("s")).unwrap(), StreamId::new(number * 2 + 1));
    }
    net.run_for(Duration::from_millis(500));
    assert_eq!(net.server_channel_events().len(), 6);
    assert_eq!(net.client_channel_events().len(), 6);
}

#[test]
fn every_kind_of_message_arrives_as_it_was_sent() {
    let mut net = Net::connected();
    let stream = opened_by_client(&mut net, ChannelParameters { protocol: "p".into(), ..parameters("chat") });
    let large: Vec<u8> = (0..262_144_u32).map(|n| ((n * 7) >> 3) as u8).collect();
    let sent = [
        (false, b"text".to_vec()),
        (true, vec![0, 159, 146, 150]),
        (false, Vec::new()),
        (true, Vec::new()),
        (true, large.clone()),
        (false, vec![b'x'; 262_144]),
    ];
    for (binary, payload) in &sent {
        assert_eq!(net.client.send_message(net.now, stream, *binary, payload.clone()), Ok(true));
        assert_eq!(net.server.send_message(net.now, stream, *binary, payload.clone()), Ok(true));
    }
    net.run_for(Duration::from_secs(20));
    assert_eq!(messages(&net.server_channel_events()), sent);
    assert_eq!(messages(&net.client_channel_events()), sent);
    let too_large = net.server.send_message(net.now, stream, true, vec![0; 262_145]);
    assert_eq!(too_large, Err(ChannelError::MessageTooLarge { len: 262_145, max: 262_144 }));
}

#[test]
fn messages_survive_loss() {
    let mut net = Net::connected();
    let stream = opened_by_client(&mut net, parameters("lossy"));
    net.loss = 100;
    let sent: Vec<_> = (0..200_u32).map(|n| (true, n.to_be_bytes().repeat(100))).collect();
    for (binary, payload) in &sent {
        assert_eq!(net.client.send_message(net.now, stream, *binary, payload.clone()), Ok(true));
    }
    net.run_for(Duration::from_secs(50));
    assert_eq!(messages(&net.server_channel_events()), sent);
}

#[test]
fn an_unordered_unreliable_channel_gives_up() {
    let mut net = Net::connected();
    let parameters = ChannelParameters { ordered: false, max_retransmits: Some(0), ..parameters("game") };
    let stream = opened_by_client(&mut net, parameters);
    net.loss = 200;
    for number in 0..200_u32 {
        let payload = number.to_be_bytes().repeat(200);
        assert_eq!(net.client.send_message(net.now, stream, true, payload), Ok(true));
        net.run_for(Duration::from_millis(20));
    }
    net.loss = 0;
    net.run_for(Duration::from_secs(10));
    let arrived = messages(&net.server_channel_events()).len();
    assert!((100..200).contains(&arrived), "{arrived} of 200");
    assert_eq!(net.client.buffered_amount(stream), 0, "what is lost is not sent again");
}

#[test]
fn a_channel_opened_early_waits_for_the_association() {
    let mut net = Net::new();
    let stream = net.server.open_channel(net.now, parameters("early")).unwrap();
    assert_eq!(net.server.send_message(net.now, stream, false, b"early".to_vec()), Ok(false));
    net.check(true);
    net.start_dtls();
    net.run_for(Duration::from_secs(1));
    assert_eq!(
        net.server_channel_events(),
        [
            ChannelEvent::Writable(stream),
            ChannelEvent::Opened { stream, parameters: parameters("early"), by_peer: false }
        ]
    );
}

#[test]
fn a_message_may_follow_the_opening_at_once() {
    let mut net = Net::connected();
    let unordered = ChannelParameters { ordered: false, ..parameters("now") };
    let stream = net.server.open_channel(net.now, unordered).unwrap();
    assert_eq!(net.server.send_message(net.now, stream, false, b"first".to_vec()), Ok(true));
    net.run_for(Duration::from_millis(500));
    assert!(matches!(
        &net.client_channel_events()[..],
        [ChannelEvent::Opened { by_peer: true, .. }, ChannelEvent::Message { .. }]
    ));
}

#[test]
fn a_peer_that_does_not_read_is_held_off() {
    let mut net = Net::connected();
    let stream = opened_by_client(&mut net, parameters("slow"));
    net.loss = 1000;
    let mut taken = 0;
    while net.server.send_message(net.now, stream, true, vec![7; 60_000]) == Ok(true) {
        taken += 1;
        assert!(taken < 100, "no bound");
        net.run_for(Duration::from_millis(1));
    }
    assert!(taken >= CHANNEL_BUFFER / 60_000);
    assert!(net.server.buffered_amount(stream) <= CHANNEL_BUFFER + 60_000);
    net.run_for(Duration::from_secs(2));
    assert_eq!(net.server_channel_events(), []);
    net.loss = 0;
    net.run_to(|net| !net.server_channel_events().is_empty());
    assert_eq!(net.server_channel_events(), [ChannelEvent::Writable(stream)]);
    assert!(net.server.buffered_amount(stream) <= CHANNEL_BUFFER / 2);
    assert_eq!(net.server.send_message(net.now, stream, true, vec![7; 60_000]), Ok(true));
    net.run_for(Duration::from_secs(30));
    assert_eq!(messages(&net.client_channel_events()).len(), taken + 1);
}

#[test]
fn either_side_closes_and_both_see_it() {
    for by_server in [false, true] {
        let mut net = Net::connected();
        let stream = opened_by_client(&mut net, parameters("close"));
        // What was sent before is still delivered.
        if by_server {
            net.server.send_message(net.now, stream, true, vec![1; 100_000]).unwrap();
            net.server.close_channel(net.now, stream).unwrap();
            assert_eq!(net.server.close_channel(net.now, stream), Err(ChannelError::Closed));
        } else {
            net.client.send_message(net.now, stream, true, vec![1; 100_000]).unwrap();
            net.client.close_channel(net.now, stream).unwrap();
        }
        net.run_for(Duration::from_secs(5));
        let (server, client) = (net.server_channel_events(), net.client_channel_events());
        assert_eq!(server.last(), Some(&ChannelEvent::Closed(stream)), "by the server: {by_server}");
        assert_eq!(client.last(), Some(&ChannelEvent::Closed(stream)), "by the server: {by_server}");
        assert_eq!(messages(if by_server { &client } else { &server }), [(true, vec![1; 100_000])]);
        let closed = |events: &[ChannelEvent]| events.iter().filter(|e| matches!(e, ChannelEvent::Closed(_))).count();
        assert_eq!((closed(&server), closed(&client)), (1, 1));
        assert_eq!(net.server.send_message(net.now, stream, true, vec![1]), Err(ChannelError::Closed));

        // The id is free again, and the new channel works.
        net.server_events.clear();
        net.client_events.clear();
        assert_eq!(opened_by_client(&mut net, parameters("again")), stream);
        net.client.send_message(net.now, stream, false, b"again".to_vec()).unwrap();
        net.run_for(Duration::from_millis(200));
        assert_eq!(messages(&net.server_channel_events()), [(false, b"again".to_vec())]);
    }
}

#[test]
fn both_sides_close_at_a_time() {
    let mut net = Net::connected();
    let stream = opened_by_client(&mut net, parameters("close"));
    net.server.close_channel(net.now, stream).unwrap();
    net.client.close_channel(net.now, stream).unwrap();
    net.run_for(Duration::from_secs(5));
    assert_eq!(net.server_channel_events(), [ChannelEvent::Closed(stream)]);
    assert_eq!(net.client_channel_events(), [ChannelEvent::Closed(stream)]);
    assert_eq!(net.client.open_channel(net.now, parameters("next")).unwrap(), stream);
}

#[test]
fn many_channels_come_and_go_without_a_trace() {
    let mut net = Net::connected();
    for _ in 0..50 {
        let stream = opened_by_client(&mut net, parameters("brief"));
        assert_eq!(stream, StreamId::new(0));
        net.server.close_channel(net.now, stream).unwrap();
        net.run_for(Duration::from_secs(1));
        net.server_events.clear();
        net.client_events.clear();
    }
}

#[test]
fn when_the_transport_ends_its_channels_end_first() {
    let mut net = Net::connected();
    let stream = opened_by_client(&mut net, parameters("end"));
    net.client.close(net.now, Some(net.client_path), &mut net.egress);
    net.post_client();
    net.run_for(Duration::from_millis(50));
    assert_eq!(net.server_channel_events(), [ChannelEvent::Closed(stream)]);
    assert_eq!(net.server_events.len(), 2);
}

#[test]
fn a_name_that_is_too_long_is_refused() {
    let mut net = Net::connected();
    opened_by_client(&mut net, parameters(&"a".repeat(4096)));
    let stream = net.client.open_channel(net.now, parameters(&"a".repeat(4097))).unwrap();
    net.run_for(Duration::from_secs(1));
    assert_eq!(net.server_channel_events(), []);
    assert_eq!(net.client_channel_events(), [ChannelEvent::Closed(stream)]);
}

use super::*;

const LOUD: AudioLevel = AudioLevel { voice: true, level: 20 };

/// The voice of a session has the session's number.
fn voice(number: u64) -> Voice {
    Voice { track: TrackId::new(number), session: SessionId::new(number) }
}

/// Four people with two slots each; who speaks first is in the first one.
fn slots(speak: &[u64]) -> Slots {
    let mut slots = Slots::new(2);
    for session in 1..=4 {
        (0..2).for_each(|slot| {
            slots.add_section(SessionId::new(session), slot, SubscriptionId::new(session * 10 + u64::from(slot)));
        });
    }
    for number in speak {
        slots.hear(Instant::now(), voice(*number), LOUD);
    }
    slots
}

fn heard(slots: &Slots, session: u64) -> Vec<Option<u64>> {
    slots.heard_by(SessionId::new(session)).map(|(_, track)| track.map(TrackId::get)).collect()
}

#[test]
fn who_has_a_place_hears_the_spare_voice_in_that_slot() {
    let slots = slots(&[1, 2, 3]);
    assert_eq!(heard(&slots, 4), [Some(1), Some(2)]);
    assert_eq!(heard(&slots, 1), [Some(3), Some(2)]);
    assert_eq!(heard(&slots, 2), [Some(1), Some(3)]);
    assert_eq!(heard(&slots, 3), [Some(1), Some(2)]);
    assert_eq!(heard(&self::slots(&[1, 2]), 1), [None, Some(2)], "there is nobody else");
}

#[test]
fn who_hears_a_voice_apart_does_not_hear_it_in_a_slot() {
    let mut slots = slots(&[1, 2, 3]);
    slots.set_apart(TrackId::new(2), SessionId::new(4), true);
    assert_eq!(heard(&slots, 4), [Some(1), Some(3)]);
    slots.set_apart(TrackId::new(3), SessionId::new(4), true);
    assert_eq!(heard(&slots, 4), [Some(1), None]);
    slots.set_apart(TrackId::new(2), SessionId::new(4), false);
    assert_eq!(heard(&slots, 4), [Some(1), Some(2)]);
}

#[test]
fn a_slot_that_is_gone_leaves_the_others_where_they_are() {
    let mut slots = slots(&[1, 2]);
    slots.remove_section(SessionId::new(4), SubscriptionId::new(40));
    assert_eq!(heard(&slots, 4), [Some(2)]);
    slots.remove_session(SessionId::new(4));
    assert_eq!(heard(&slots, 4), [None; 0]);
}

#[test]
fn a_change_of_the_spare_voice_concerns_those_alone_who_do_not_hear_a_holder() {
    let mut slots = slots(&[1, 2]);
    slots.set_apart(TrackId::new(2), SessionId::new(4), true);
    let changed = slots.hear(Instant::now(), voice(3), LOUD);
    assert_eq!(changed, Changed::Spare);
    let concerned: Vec<u64> = slots.concerned(changed).into_iter().map(SessionId::get).collect();
    assert_eq!(concerned, [1, 2, 4]);
    assert_eq!(slots.concerned(Changed::Places).len(), 4);
    assert!(slots.concerned(Changed::Nothing).is_empty());
}

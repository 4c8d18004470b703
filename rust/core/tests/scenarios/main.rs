//! Scenarios in virtual time: one behaviour a file, named as a sentence.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod a_call_between_two;
mod a_peer_moves_and_comes_back;
mod a_viewer_chooses_layers;
mod audio_is_repaired;
mod audio_pauses_are_no_losses;
mod audio_takes_every_form;
mod by_hand;
mod channels_carry_messages;
mod clients_offer_as_they_like;
mod codecs_come_back;
mod crowd;
mod keyframes_are_asked_for_as_negotiated;
mod keyframes_are_shared;
mod late_structures_are_waited_for;
mod links_decide;
mod old_clients_are_served;
mod only_what_was_sealed_counts;
mod packets_find_their_way;
mod publishers_hear_what_is_needed;
mod publishers_start_over;
mod repairs_are_what_was_sent;
mod reports_go_beside_media;
mod reports_go_together;
mod rooms_have_limits;
mod rooms_span_shards;
mod sections_become_playable;
mod the_application_taps_a_track;
mod the_loudest_of_a_thousand;
mod the_loudest_share_a_few_slots;
mod timestamps_outlive_a_restart;
mod tracks_come_and_go;
mod voices_are_ranked;
mod voices_in_slots_are_repaired;
mod world;

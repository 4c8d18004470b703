//! The SRTP keys of simulated participants: a function of the seed, for simulations only.

use sfu_transport::SrtpProfile;
use sfu_transport::srtp::SrtpKeys;

use crate::random::Random;

/// The keys of the participant with this index.
pub(super) fn fixed(profile: SrtpProfile, seed: u64, index: usize) -> SrtpKeys {
    let mut random = Random::new(seed).fork(1 << 32 | index as u64);
    let material: Vec<u8> = (0..profile.keying_material_len()).map(|_| random.next() as u8).collect();
    SrtpKeys::from_keying_material(profile, &material).expect("the material is as long as the profile says")
}

//! Master keys and salts of both directions, as DTLS exports them (RFC 5764 §4.2).

use std::fmt;

use super::error::SrtpError;
use super::profile::SrtpProfile;
use super::secret::Secret;

/// The longest master key: AES-256.
const MAX_KEY_LEN: usize = 32;
/// The longest master salt: 112 bits (RFC 3711 §8.2). Shorter ones are padded with zeros behind (RFC 7714 §11).
pub(super) const MAX_SALT_LEN: usize = 14;

/// Master key and master salt of one direction.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySalt {
    profile: SrtpProfile,
    key: Secret<MAX_KEY_LEN>,
    salt: Secret<MAX_SALT_LEN>,
}

impl KeySalt {
    /// From the bytes of the master key and the master salt.
    ///
    /// # Errors
    /// [`SrtpError::KeyLength`] when they have not the lengths that `profile` needs.
    pub fn new(profile: SrtpProfile, key: &[u8], salt: &[u8]) -> Result<Self, SrtpError> {
        if key.len() != profile.key_len() || salt.len() != profile.salt_len() {
            return Err(SrtpError::KeyLength);
        }
        let mut this = Self { profile, key: Secret::zero(), salt: Secret::zero() };
        this.key.as_mut_bytes()[..key.len()].copy_from_slice(key);
        this.salt.as_mut_bytes()[..salt.len()].copy_from_slice(salt);
        Ok(this)
    }

    /// The profile that the lengths belong to.
    pub const fn profile(&self) -> SrtpProfile {
        self.profile
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.key.as_bytes()[..self.profile.key_len()]
    }

    /// The salt, padded with zeros behind.
    pub(super) fn padded_salt(&self) -> &[u8; MAX_SALT_LEN] {
        self.salt.as_bytes()
    }
}

impl fmt::Debug for KeySalt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySalt").field("profile", &self.profile).finish_non_exhaustive()
    }
}

/// The keys of both directions. Overwritten when dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SrtpKeys {
    /// What both sides agreed on.
    pub profile: SrtpProfile,
    /// What the DTLS client seals with.
    pub client: KeySalt,
    /// What the DTLS server seals with.
    pub server: KeySalt,
}

impl SrtpKeys {
    /// Splits what DTLS exported: client key, server key, client salt, server salt (RFC 5764 §4.2).
    ///
    /// # Errors
    /// [`SrtpError::KeyLength`] when `material` has not [`SrtpProfile::keying_material_len`] bytes.
    pub fn from_keying_material(profile: SrtpProfile, material: &[u8]) -> Result<Self, SrtpError> {
        if material.len() != profile.keying_material_len() {
            return Err(SrtpError::KeyLength);
        }
        let (keys, salts) = material.split_at(2 * profile.key_len());
        let (client_key, server_key) = keys.split_at(profile.key_len());
        let (client_salt, server_salt) = salts.split_at(profile.salt_len());
        Ok(Self {
            profile,
            client: KeySalt::new(profile, client_key, client_salt)?,
            server: KeySalt::new(profile, server_key, server_salt)?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn keying_material_is_split_in_the_order_of_rfc_5764() {
        for profile in SrtpProfile::ALL {
            let (key, salt) = (profile.key_len(), profile.salt_len());
            let material = [vec![1; key], vec![2; key], vec![3; salt], vec![4; salt]].concat();
            let keys = SrtpKeys::from_keying_material(profile, &material).unwrap();
            assert_eq!(keys.client, KeySalt::new(profile, &vec![1; key], &vec![3; salt]).unwrap());
            assert_eq!(keys.server, KeySalt::new(profile, &vec![2; key], &vec![4; salt]).unwrap());
            assert_eq!(SrtpKeys::from_keying_material(profile, &material[1..]), Err(SrtpError::KeyLength), "{profile}");
        }
    }

    #[test]
    fn printing_a_key_shows_none_of_it() {
        let key = KeySalt::new(SrtpProfile::AeadAes128Gcm, &[0xab; 16], &[0xcd; 12]).unwrap();
        let text = format!("{key:?}");
        assert!(!text.contains("171") && !text.contains("205"), "{text}");
    }
}

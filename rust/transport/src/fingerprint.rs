//! Certificate fingerprints as SDP carries them (RFC 8122 §5): `sha-256 AB:CD:…`.
//!
//! The peer's certificate is self-signed; that its digest stands in the SDP is all that binds it to the signalling.

use std::fmt::{self, Write as _};

use aws_lc_rs::digest;

/// The digests that are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FingerprintAlgorithm {
    /// `sha-256`.
    Sha256,
    /// `sha-384`.
    Sha384,
    /// `sha-512`.
    Sha512,
}

impl FingerprintAlgorithm {
    /// From its name in SDP, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Sha256, Self::Sha384, Self::Sha512].into_iter().find(|a| a.name().eq_ignore_ascii_case(name))
    }

    /// Its name in SDP.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    /// Bytes of the digest.
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    fn digest(self, bytes: &[u8]) -> digest::Digest {
        let algorithm = match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, bytes)
    }
}

/// The digest of a certificate.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint {
    algorithm: FingerprintAlgorithm,
    digest: Vec<u8>,
}

impl Fingerprint {
    /// Of a certificate in DER.
    pub fn of(algorithm: FingerprintAlgorithm, certificate: &[u8]) -> Self {
        Self { algorithm, digest: algorithm.digest(certificate).as_ref().to_vec() }
    }

    /// From a digest; `None` if its length is not the algorithm's.
    pub fn new(algorithm: FingerprintAlgorithm, digest: &[u8]) -> Option<Self> {
        (digest.len() == algorithm.digest_len()).then(|| Self { algorithm, digest: digest.to_vec() })
    }

    /// From the value of `a=fingerprint`: the algorithm, a space, hexadecimal pairs of either case between colons.
    /// `None` if it is malformed or of another algorithm.
    pub fn parse(value: &str) -> Option<Self> {
        let (name, digits) = value.trim().split_once(char::is_whitespace)?;
        let algorithm = FingerprintAlgorithm::from_name(name)?;
        let digest: Option<Vec<u8>> = digits
            .trim()
            .split(':')
            .map(|pair| (pair.len() == 2).then(|| u8::from_str_radix(pair, 16).ok()).flatten())
            .collect();
        Self::new(algorithm, &digest?)
    }

    /// Which digest.
    pub const fn algorithm(&self) -> FingerprintAlgorithm {
        self.algorithm
    }

    /// The digest.
    pub fn digest(&self) -> &[u8] {
        &self.digest
    }

    /// Whether it is this certificate's.
    pub fn matches(&self, certificate: &[u8]) -> bool {
        self.algorithm.digest(certificate).as_ref() == self.digest
    }
}

/// As in `a=fingerprint`.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm.name())?;
        for (index, byte) in self.digest.iter().enumerate() {
            f.write_char(if index == 0 { ' ' } else { ':' })?;
            write!(f, "{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_it_writes() {
        for algorithm in [FingerprintAlgorithm::Sha256, FingerprintAlgorithm::Sha384, FingerprintAlgorithm::Sha512] {
            let fingerprint = Fingerprint::of(algorithm, b"certificate");
            let text = fingerprint.to_string();
            assert_eq!(text.len(), algorithm.name().len() + algorithm.digest_len() * 3);
            assert_eq!(Fingerprint::parse(&text), Some(fingerprint.clone()));
            assert_eq!(Fingerprint::parse(&text.to_lowercase()), Some(fingerprint.clone()));
            assert!(fingerprint.matches(b"certificate"));
            assert!(!fingerprint.matches(b"another"));
        }
    }

    /// The SHA-256 of "abc" (FIPS 180-4 examples).
    #[test]
    fn the_digest_is_of_the_bytes() {
        let fingerprint = Fingerprint::of(FingerprintAlgorithm::Sha256, b"abc");
        assert!(fingerprint.to_string().starts_with("sha-256 BA:78:16:BF:8F:01:CF:EA"));
    }

    #[test]
    fn malformed_values_are_refused() {
        let good = Fingerprint::of(FingerprintAlgorithm::Sha256, b"x").to_string();
        for bad in [
            "",
            "sha-256",
            "sha-256 ",
            "sha-1 00:11",
            &good[..good.len() - 3],
            &good.replace(':', "-"),
            &good.replacen(':', ":+", 1),
            &format!("{good}:00"),
        ] {
            assert_eq!(Fingerprint::parse(bad), None, "{bad}");
        }
    }
}

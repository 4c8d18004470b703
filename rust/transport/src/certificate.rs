//! Our own certificates on P-256: the DTLS one, self-signed or the operator's, and one for the page.
//!
//! One certificate serves all sessions of a server; its fingerprint goes into every SDP. The page's names its hosts, because
//! browsers check names where WebRTC checks only fingerprints.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use thiserror::Error;

use crate::fingerprint::{Fingerprint, FingerprintAlgorithm};
use crate::pem;

/// How long a page's certificate is good. Higher: fewer warnings to click away. Lower: a leaked key serves less long.
const PAGE_LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);
/// A phone's clock may be behind by so much.
const CLOCK_SKEW: Duration = Duration::from_secs(3600);

/// A certificate with its private key.
pub struct Certificate {
    pub(crate) der: Vec<u8>,
    pub(crate) key: Vec<u8>,
    fingerprint: Fingerprint,
}

/// Why a certificate could not be made or used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The library refused.
    #[error("a certificate could not be generated: {0}")]
    Generation(String),
    /// No such block.
    #[error("no `BEGIN CERTIFICATE` block with valid base64 in the PEM text")]
    NoCertificate,
    /// No such block.
    #[error("no `BEGIN PRIVATE KEY` (PKCS #8) or `BEGIN EC PRIVATE KEY` block with valid base64 in the PEM text")]
    NoKey,
    /// Not a key on P-256.
    #[error("the private key is not an ECDSA key on P-256, which WebRTC peers expect (RFC 8827 §6.5)")]
    UnsupportedKey,
    /// The two do not belong together.
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
}

impl Certificate {
    /// A new self-signed certificate on P-256 (RFC 8827 §6.5), drawn from the operating system's randomness.
    pub fn generate() -> Result<Self, CertificateError> {
        // A name says who it is to whoever reads the handshake; WebRTC checks only the fingerprint.
        Self::self_signed(rcgen::CertificateParams::default(), "WebRTC")
    }

    /// A new self-signed certificate for a web server: good for `names`, hosts and IP addresses (RFC 6125 §6.4, RFC 5280
    /// §4.2.1.6), for 90 days from `unix_time`, the time since the Unix epoch.
    pub fn for_page(names: &[String], unix_time: Duration) -> Result<Self, CertificateError> {
        let mut parameters = rcgen::CertificateParams::new(names).map_err(failed)?;
        let now = rcgen::date_time_ymd(1970, 1, 1) + unix_time;
        parameters.not_before = now - CLOCK_SKEW;
        parameters.not_after = now + PAGE_LIFETIME;
        parameters.is_ca = rcgen::IsCa::ExplicitNoCa;
        parameters.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        Self::self_signed(parameters, "sfu")
    }

    fn self_signed(mut parameters: rcgen::CertificateParams, name: &str) -> Result<Self, CertificateError> {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(failed)?;
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        let certificate = parameters.self_signed(&key).map_err(failed)?;
        Self::from_der(certificate.der().to_vec(), key.serialize_der())
    }

    /// The first certificate of `certificate` and the key of `key`; both may be the same text.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, CertificateError> {
        let der = pem::find(certificate, |label| label == "CERTIFICATE").ok_or(CertificateError::NoCertificate)?;
        let key = pem::find(key, |label| label == "PRIVATE KEY" || label == "EC PRIVATE KEY")
            .ok_or(CertificateError::NoKey)?;
        Self::from_der(der, key)
    }

    fn from_der(der: Vec<u8>, key: Vec<u8>) -> Result<Self, CertificateError> {
        let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, &key)
            .map_err(|_| CertificateError::UnsupportedKey)?;
        let public = pair.public_key().as_ref();
        if !der.windows(public.len()).any(|window| window == public) {
            return Err(CertificateError::KeyMismatch);
        }
        // One form for the DTLS library, whatever form came in (RFC 5958).
        let key = pair.to_pkcs8v1().map_or(key, |document| document.as_ref().to_vec());
        let fingerprint = Fingerprint::of(FingerprintAlgorithm::Sha256, &der);
        Ok(Self { der, key, fingerprint })
    }

    /// Its SHA-256 fingerprint, for `a=fingerprint`.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// As PEM: the certificate and the key, fit for [`Certificate::from_pem`].
    pub fn to_pem(&self) -> (String, String) {
        (pem::encode("CERTIFICATE", &self.der), pem::encode("PRIVATE KEY", &self.key))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of `map_err`")]
fn failed(error: rcgen::Error) -> CertificateError {
    CertificateError::Generation(error.to_string())
}

/// Hides the private key.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Made by `openssl ecparam -name prime256v1 -genkey` and `openssl req -x509`; its key is in SEC 1.
    const OPENSSL: &str = include_str!("../tests/golden/p256_sec1.pem");

    #[test]
    fn a_generated_certificate_survives_pem() {
        let certificate = Certificate::generate().unwrap();
        let (text, key) = certificate.to_pem();
        let again = Certificate::from_pem(&text, &key).unwrap();
        assert_eq!(again.fingerprint(), certificate.fingerprint());
        assert!(again.fingerprint().matches(&again.der));
        assert!(!format!("{certificate:?}").contains("PRIVATE"));
    }

    #[test]
    fn a_page_s_certificate_names_its_hosts_and_ends() {
        let names = ["localhost", "192.0.2.7", "2001:db8::7"].map(String::from);
        // 2026-03-01 12:00:00 UTC; 90 days later it is May.
        let certificate = Certificate::for_page(&names, Duration::from_secs(1_772_366_400)).unwrap();
        let contains = |bytes: &[u8]| certificate.der.windows(bytes.len()).any(|window| window == bytes);
        assert!(contains(b"localhost"));
        assert!(contains(&[0x87, 4, 192, 0, 2, 7]), "iPAddress [7], RFC 5280 §4.2.1.6");
        assert!(contains(&[0x87, 16, 0x20, 0x01, 0x0d, 0xb8]), "and of IPv6");
        assert!(contains(b"260301110000Z") && contains(b"260530120000Z"), "validity, RFC 5280 §4.1.2.5");
        assert!(matches!(
            Certificate::for_page(&[String::from("münchen")], Duration::ZERO),
            Err(CertificateError::Generation(_))
        ));
    }

    #[test]
    fn a_certificate_of_openssl_is_accepted() {
        let certificate = Certificate::from_pem(OPENSSL, OPENSSL).unwrap();
        assert_eq!(
            certificate.fingerprint().to_string(),
            "sha-256 42:7A:F7:8D:70:CC:52:DE:94:AE:BB:67:09:F0:D6:E1:04:F6:F0:02:B4:4D:39:C7:E1:00:A6:4F:C0:7F:18:0D"
        );
        assert_eq!(Certificate::from_pem(OPENSSL, &certificate.to_pem().1).unwrap().key, certificate.key);
    }

    #[test]
    fn what_cannot_serve_is_refused_with_its_reason() {
        let (text, key) = Certificate::generate().unwrap().to_pem();
        let error = |text: &str, key: &str| Certificate::from_pem(text, key).unwrap_err();
        assert_eq!(error(&key, &key), CertificateError::NoCertificate);
        assert_eq!(error(&text, &text), CertificateError::NoKey);
        assert_eq!(error(&text, OPENSSL), CertificateError::KeyMismatch);
        assert_eq!(error(&text, &pem::encode("PRIVATE KEY", b"nonsense")), CertificateError::UnsupportedKey);
    }
}

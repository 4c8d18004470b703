//! A client whose certificate is RSA, as GStreamer's is by default, connects to the passive side.
//!
//! The client is the DTLS library's with a key loader of this test; the server is the `Transport` that sessions have.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding};
use dimpl::crypto::{Buf, CryptoProvider, HashAlgorithm, KeyProvider, SignatureAlgorithm, SigningKey};
use dimpl::{CryptoError, CryptoOperation, DtlsCertificate, Output};
use rcgen::{CertificateParams, PKCS_RSA_SHA256, RsaKeySize};
use sfu_transport::srtp::{SrtpKeys, SrtpReceiver, SrtpSender};
use sfu_transport::{
    Certificate, Class, DatagramKind, Fingerprint, FingerprintAlgorithm, Incoming, Remote, SrtpProfile, TransportClose,
    TransportEvent, TransportState, classify,
};
use sfu_wire::{SeqNo, Ssrc};

use crate::support::{Net, PWD, SERVER_CERTIFICATE, UFRAG, path, rtp_packet};

/// In DER: the certificate and its key in PKCS #8.
static RSA: LazyLock<(Vec<u8>, Vec<u8>)> = LazyLock::new(|| {
    let key = rcgen::KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let certificate = CertificateParams::default().self_signed(&key).unwrap();
    (certificate.der().to_vec(), key.serialize_der())
});

#[test]
fn an_rsa_client_connects_and_exchanges_media() {
    for loader in [&SHA256, &SHA384] {
        let mut call = Call::new(fingerprint(&RSA.0), loader);
        call.run();
        assert_eq!(
            call.net.server_events.last(),
            Some(&TransportEvent::Connected { profile: SrtpProfile::AeadAes128Gcm })
        );
        assert_eq!(call.client.peer.as_deref().map(fingerprint), Some(SERVER_CERTIFICATE.fingerprint().clone()));
        assert_eq!(call.server_reads(7), Some(rtp_packet(5, 7, b"media for the server")));
        assert_eq!(call.client_reads(8), Some(rtp_packet(77, 8, b"media for the client")));
    }
}

#[test]
fn the_server_asks_for_both_kinds_of_certificate() {
    let mut call = Call::new(fingerprint(&RSA.0), &SHA256);
    call.run();
    // RFC 5246 §7.4.4: ecdsa_sign and rsa_sign; ECDSA as the client listed it, then RSA with three hashes; no names.
    let request = [2, 64, 1, 0, 10, 4, 3, 5, 3, 4, 1, 5, 1, 6, 1, 0, 0];
    assert!(call.server_flights.iter().any(|datagram| datagram.windows(request.len()).any(|w| w == request)));
}

#[test]
fn an_rsa_certificate_that_the_sdp_does_not_name_is_refused() {
    let mut call = Call::new(Certificate::generate().unwrap().fingerprint().clone(), &SHA256);
    call.run();
    assert_eq!(call.net.server_events.last(), Some(&TransportEvent::Closed(TransportClose::FingerprintMismatch)));
    assert_eq!(call.net.server.state(), TransportState::Closed);
    assert_eq!(call.client_reads(8), None);
}

#[test]
fn a_client_that_has_not_the_key_of_its_certificate_is_refused() {
    for loader in [&FORGED, &SHA512_NAMED_SHA256] {
        let mut call = Call::new(fingerprint(&RSA.0), loader);
        call.run();
        assert!(call.client.keys.is_none());
        assert!(call.net.server.profile().is_none(), "{:?}", call.net.server_events);
        assert_ne!(call.net.server.state(), TransportState::Connected);
    }
}

#[test]
fn each_hash_verifies_its_own_signature_alone() {
    let verifier = dimpl::crypto::aws_lc_rs::default_provider().signature_verification;
    let hashes = [HashAlgorithm::SHA256, HashAlgorithm::SHA384, HashAlgorithm::SHA512];
    for used in hashes {
        let mut signature = Buf::new();
        let mut key = Loader::new(used).load_private_key(&RSA.1).unwrap();
        key.sign(b"the handshake", used, &mut signature).unwrap();
        for named in hashes {
            let verify = |data: &[u8]| {
                verifier.verify_signature(&RSA.0, data, &signature, named, SignatureAlgorithm::RSA).is_ok()
            };
            assert_eq!(verify(b"the handshake"), used == named, "{used:?} as {named:?}");
            assert!(!verify(b"another"));
        }
        let sha1 = HashAlgorithm::SHA1;
        assert!(
            verifier.verify_signature(&RSA.0, b"the handshake", &signature, sha1, SignatureAlgorithm::RSA).is_err()
        );
    }
}

fn fingerprint(der: &[u8]) -> Fingerprint {
    Fingerprint::of(FingerprintAlgorithm::Sha256, der)
}

/// The server of a `Net`, with another client and nothing between.
struct Call {
    net: Net,
    client: Client,
    server_flights: Vec<Vec<u8>>,
}

impl Call {
    fn new(expected: Fingerprint, loader: &'static Loader) -> Self {
        let mut net = Net::without_remote();
        net.server.set_remote(net.now, Remote { fingerprints: vec![expected], sctp: None });
        let mut check = net.binding_request(UFRAG, PWD, true);
        let incoming = net.server.handle_datagram(net.now, path(1000), &mut check, &mut net.egress);
        assert!(matches!(incoming, Incoming::Check));
        let client = Client::new(net.now, loader);
        Self { net, client, server_flights: Vec::new() }
    }

    /// Datagrams to and fro for two seconds.
    fn run(&mut self) {
        for _ in 0..200 {
            self.net.now += Duration::from_millis(10);
            let Net { now, server, egress, server_events, .. } = &mut self.net;
            // A client that gives up is what some tests want.
            let _ = self.client.dtls.handle_timeout(*now);
            for mut datagram in self.client.drain() {
                server.handle_datagram(*now, path(1000), &mut datagram, egress);
            }
            server.handle_timeout(*now, egress);
            for (_, datagram) in egress.iter().filter(|(_, datagram)| classify(datagram) == DatagramKind::Dtls) {
                self.server_flights.push(datagram.to_vec());
                let _ = self.client.dtls.handle_packet(datagram);
            }
            egress.clear();
            server_events.extend(std::iter::from_fn(|| server.poll_event()));
        }
    }

    /// What the server reads of a packet that the client seals.
    fn server_reads(&mut self, seq: u16) -> Option<Vec<u8>> {
        let keys = self.client.keys.as_ref()?;
        let mut packet = rtp_packet(5, seq, b"media for the server");
        let len = packet.len();
        packet.resize(len + 32, 0);
        let mut sender = SrtpSender::new(keys.profile, &keys.client);
        let len = sender.protect_rtp(&mut packet, len, 12, Ssrc::new(5), SeqNo::new(seq.into())).unwrap();
        match self.net.server.handle_datagram(self.net.now, path(1000), &mut packet[..len], &mut self.net.egress) {
            Incoming::Rtp(clear) => Some(clear.to_vec()),
            _ => None,
        }
    }

    /// What the client reads of a packet that the server seals.
    fn client_reads(&mut self, seq: u16) -> Option<Vec<u8>> {
        let packet = rtp_packet(77, seq, b"media for the client");
        let number = (Ssrc::new(77), SeqNo::new(seq.into()));
        self.net.server.send_rtp(&mut self.net.egress, Class::Video, number, 1200, |buffer| {
            buffer[..packet.len()].copy_from_slice(&packet);
            (packet.len(), 12)
        });
        let mut sealed = self.net.egress.iter().next()?.1.to_vec();
        let keys = self.client.keys.as_ref()?;
        let len = SrtpReceiver::new(keys.profile, &keys.server).unprotect_rtp(&mut sealed).unwrap();
        Some(sealed[..len].to_vec())
    }
}

/// The active side.
struct Client {
    dtls: dimpl::Dtls,
    keys: Option<SrtpKeys>,
    peer: Option<Vec<u8>>,
}

impl Client {
    fn new(now: Instant, loader: &'static Loader) -> Self {
        let provider = CryptoProvider { key_provider: loader, ..dimpl::crypto::aws_lc_rs::default_provider() };
        let config = dimpl::Config::builder().with_crypto_provider(provider).build().unwrap();
        let (certificate, private_key) = RSA.clone();
        let mut dtls = dimpl::Dtls::new_12(Arc::new(config), DtlsCertificate { certificate, private_key }, now);
        dtls.set_active(true);
        Self { dtls, keys: None, peer: None }
    }

    /// Its datagrams; keeps what it learns.
    fn drain(&mut self) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        let mut buffer = vec![0; 4096];
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => datagrams.push(packet.to_vec()),
                Output::KeyingMaterial(material, _) => {
                    let keys = SrtpKeys::from_keying_material(SrtpProfile::AeadAes128Gcm, &material);
                    self.keys = Some(keys.unwrap());
                }
                Output::PeerCert(der) => self.peer = Some(der.to_vec()),
                Output::Timeout(_) => return datagrams,
                _ => {}
            }
        }
    }
}

static SHA256: Loader = Loader::new(HashAlgorithm::SHA256);
static SHA384: Loader = Loader::new(HashAlgorithm::SHA384);
static SHA512_NAMED_SHA256: Loader = Loader { used: HashAlgorithm::SHA512, ..SHA256 };
/// Signs something else.
static FORGED: Loader = Loader { honest: false, ..SHA256 };

/// Loads RSA keys for a client, which the library's own loader does not.
#[derive(Debug, Clone)]
struct Loader {
    named: HashAlgorithm,
    used: HashAlgorithm,
    honest: bool,
}

impl Loader {
    const fn new(hash: HashAlgorithm) -> Self {
        Self { named: hash, used: hash, honest: true }
    }
}

impl KeyProvider for Loader {
    fn load_private_key(&self, der: &[u8]) -> Result<Box<dyn SigningKey>, CryptoError> {
        let pair = KeyPair::from_pkcs8(der).map_err(|_| CryptoError::InvalidPrivateKey)?;
        Ok(Box::new(RsaKey { pair, loader: self.clone(), hashes: [self.named] }))
    }
}

#[derive(Debug)]
struct RsaKey {
    pair: KeyPair,
    loader: Loader,
    hashes: [HashAlgorithm; 1],
}

impl SigningKey for RsaKey {
    fn sign(&mut self, message: &[u8], _: HashAlgorithm, out: &mut Buf) -> Result<(), CryptoError> {
        let message = if self.loader.honest { message } else { &message[1..] };
        let encoding: &dyn RsaEncoding = match self.loader.used {
            HashAlgorithm::SHA256 => &RSA_PKCS1_SHA256,
            HashAlgorithm::SHA384 => &RSA_PKCS1_SHA384,
            _ => &RSA_PKCS1_SHA512,
        };
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let random = aws_lc_rs::rand::SystemRandom::new();
        self.pair
            .sign(encoding, &random, message, &mut signature)
            .map_err(|_| CryptoError::OperationFailed(CryptoOperation::Sign))?;
        out.clear();
        out.extend_from_slice(&signature);
        Ok(())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RSA
    }

    fn hash_algorithm(&self) -> HashAlgorithm {
        self.loader.named
    }

    fn supported_hash_algorithms(&self) -> &[HashAlgorithm] {
        &self.hashes
    }
}

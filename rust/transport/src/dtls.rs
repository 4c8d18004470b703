//! DTLS 1.2 (RFC 6347) with SRTP keys (RFC 5764), behind one small trait.
//!
//! [`Dtls`] stands on `dimpl`. In DTLS 1.2 its server chooses the profile itself, AEAD first; in 1.3 it would take the
//! client's first, which in Chromium is the slow one. What arrives before the handshake is complete is not authenticated:
//! a plaintext alert or a broken handshake message never ends the session, only the deadline does.

mod records;

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use dimpl::Output;
use thiserror::Error;

use crate::certificate::Certificate;
use crate::drops::DropReason;
use crate::srtp::{SrtpKeys, SrtpProfile};

use records::{Run, Runs};

/// From the first DTLS datagram to the keys. Higher: very lossy paths get through. Lower: broken peers are told sooner.
/// libwebrtc has no limit of its own; browsers give up by ICE after 15 to 30 s.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// First retransmission of a flight; doubles. Higher: fewer needless flights on slow paths. Lower: less delay after a
/// loss. (libwebrtc starts at twice the ICE round trip, at least 100 ms.)
const FLIGHT_RTO: Duration = Duration::from_millis(250);
/// Enough that the deadline ends a handshake, not the number of flights.
const FLIGHT_RETRIES: usize = 9;
/// Bytes of a DTLS datagram. (libwebrtc `kDefaultMtu`; 1280 of IPv6 less 40 + 8 of headers and a margin.)
pub(crate) const MTU: usize = 1200;

/// RFC 5246 §7.2.2.
const BAD_CERTIFICATE: u8 = 42;

/// Who sends the ClientHello (RFC 5763 §5, `a=setup`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DtlsRole {
    /// The peer does: the SFU is always passive.
    Passive,
    /// We do.
    Active,
}

/// What an endpoint gives out.
#[derive(Debug)]
pub enum DtlsOutput<'a> {
    /// To send.
    Packet(&'a [u8]),
    /// The peer's certificate in DER.
    Certificate(&'a [u8]),
    /// The keys for SRTP (RFC 5764 §4.2).
    Keys(Box<SrtpKeys>),
    /// The handshake is complete.
    Connected,
    /// From the peer.
    ApplicationData(&'a [u8]),
    /// The peer has closed.
    CloseNotify,
    /// The buffer must have so many bytes.
    BufferTooSmall(usize),
}

/// What became of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// A record of it was taken in.
    Taken,
    /// All of it was discarded (RFC 6347 §4.1.2.7).
    Dropped(DropReason),
}

/// The connection is over.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DtlsError {
    /// No keys in time; the last thing that went wrong.
    #[error("the DTLS handshake failed: {0}")]
    Handshake(String),
    /// An authentic fatal alert, or the library gave up.
    #[error("the DTLS connection failed: {0}")]
    Connection(String),
}

/// One side of a DTLS connection, sans-IO: `handle_*` puts in, `poll_*` takes out; drain after every input.
pub trait DtlsEndpoint {
    /// A datagram from the peer.
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<Fate, DtlsError>;
    /// Time has passed.
    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsError>;
    /// Application data for the peer.
    fn send(&mut self, payload: &[u8]) -> Result<(), DtlsError>;
    /// Queues a `close_notify`.
    fn close(&mut self);
    /// Queues the fatal alert `bad_certificate` (RFC 8122 §6.2), and nothing that was not given out before.
    fn refuse_certificate(&mut self);
    /// The next output; `None` when drained.
    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> Option<DtlsOutput<'a>>;
    /// When to call [`DtlsEndpoint::handle_timeout`].
    fn poll_timeout(&self) -> Option<Instant>;
}

/// Cheapest first: sealing with a key of 256 bits costs an eighth more, and with HMAC-SHA1 a multiple.
const PROFILES: &[dimpl::SrtpProfile] = &[
    dimpl::SrtpProfile::AEAD_AES_128_GCM,
    dimpl::SrtpProfile::AEAD_AES_256_GCM,
    dimpl::SrtpProfile::AES128_CM_SHA1_80,
];

/// The library's settings, the same for every session that takes any profile.
static CONFIG: LazyLock<Arc<dimpl::Config>> = LazyLock::new(|| config(PROFILES));

fn config(profiles: &'static [dimpl::SrtpProfile]) -> Arc<dimpl::Config> {
    let config = dimpl::Config::builder()
        .srtp_profiles(profiles)
        .mtu(MTU)
        // ICE has validated the address already; a cookie would cost a round trip.
        .use_server_cookie(false)
        .flight_start_rto(FLIGHT_RTO)
        .flight_retries(FLIGHT_RETRIES)
        .handshake_timeout(HANDSHAKE_TIMEOUT)
        .build();
    Arc::new(config.expect("the library accepts these constants"))
}

/// The settings of a side that takes one profile alone.
fn config_of(profile: SrtpProfile) -> Arc<dimpl::Config> {
    config(match profile {
        SrtpProfile::AeadAes128Gcm => &[dimpl::SrtpProfile::AEAD_AES_128_GCM],
        SrtpProfile::AeadAes256Gcm => &[dimpl::SrtpProfile::AEAD_AES_256_GCM],
        SrtpProfile::Aes128CmHmacSha1_80 => &[dimpl::SrtpProfile::AES128_CM_SHA1_80],
    })
}

/// DTLS 1.2 by `dimpl`.
pub struct Dtls {
    endpoint: dimpl::Dtls,
    certificate: Arc<Certificate>,
    role: DtlsRole,
    profile: Option<SrtpProfile>,
    state: State,
    timeout: Option<Instant>,
}

#[derive(Debug)]
enum State {
    /// Until keys are there; the deadline and what went wrong last.
    Handshaking { deadline: Instant, problem: Option<String> },
    /// Keys are there; the library has events left to give out.
    Connected,
    /// Everything is authentic from here on, and what only the handshake needed is freed.
    Established,
}

impl Dtls {
    /// An endpoint. An active one sends its ClientHello after the first [`DtlsEndpoint::handle_timeout`].
    /// It takes `profile` alone, or else the cheapest that the other side has.
    pub fn new(now: Instant, certificate: Arc<Certificate>, role: DtlsRole, profile: Option<SrtpProfile>) -> Self {
        let endpoint = new_endpoint(now, &certificate, role, profile);
        let state = State::Handshaking { deadline: now + HANDSHAKE_TIMEOUT, problem: None };
        Self { endpoint, certificate, role, profile, state, timeout: None }
    }

    /// Starts over after unauthenticated input broke the handshake: the peer retransmits its ClientHello.
    fn start_over(&mut self, now: Instant, error: &dimpl::Error) {
        let State::Handshaking { problem, .. } = &mut self.state else { return };
        log::debug!("a DTLS handshake starts over: {error}");
        *problem = Some(error.to_string());
        self.endpoint = new_endpoint(now, &self.certificate, self.role, self.profile);
        self.timeout = None;
    }

    fn fail_after_deadline(&self, now: Instant) -> Result<(), DtlsError> {
        match &self.state {
            State::Handshaking { deadline, problem } if now >= *deadline => {
                Err(DtlsError::Handshake(problem.clone().unwrap_or_else(|| String::from("no answer in time"))))
            }
            _ => Ok(()),
        }
    }

    fn feed(&mut self, now: Instant, records: &[u8]) -> Result<Fate, DtlsError> {
        let before = self.endpoint.record_counts();
        match (self.endpoint.handle_packet(records), &self.state) {
            (Ok(()), _) => Ok(fate(before, self.endpoint.record_counts())),
            (Err(error), State::Handshaking { .. }) => {
                self.start_over(now, &error);
                Ok(Fate::Dropped(DropReason::Malformed))
            }
            (Err(error), State::Connected | State::Established) => Err(DtlsError::Connection(error.to_string())),
        }
    }

    fn note_alert(&mut self, description: u8) {
        log::debug!("a plaintext DTLS alert {description} was ignored");
        if let State::Handshaking { problem, .. } = &mut self.state {
            *problem = Some(format!("the peer sent alert {description}"));
        }
    }
}

/// A datagram counts as what its best record was.
fn fate(before: dimpl::RecordCounts, after: dimpl::RecordCounts) -> Fate {
    if after.taken > before.taken {
        Fate::Taken
    } else if after.duplicate > before.duplicate {
        Fate::Dropped(DropReason::Replayed)
    } else if after.unauthentic > before.unauthentic {
        Fate::Dropped(DropReason::Authentication)
    } else {
        Fate::Dropped(DropReason::Malformed)
    }
}

fn new_endpoint(now: Instant, certificate: &Certificate, role: DtlsRole, profile: Option<SrtpProfile>) -> dimpl::Dtls {
    let config = profile.map_or_else(|| Arc::clone(&CONFIG), config_of);
    let identity =
        dimpl::DtlsCertificate { certificate: certificate.der.clone(), private_key: certificate.key.clone() };
    let mut endpoint = dimpl::Dtls::new_12(config, identity, now);
    endpoint.set_active(role == DtlsRole::Active);
    // The library wants to be told the time before its first datagram.
    if let Err(error) = endpoint.handle_timeout(now) {
        log::debug!("a fresh DTLS endpoint refused the time: {error}");
    }
    endpoint
}

impl DtlsEndpoint for Dtls {
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<Fate, DtlsError> {
        self.handle_timeout(now)?;
        if !matches!(self.state, State::Handshaking { .. }) {
            return self.feed(now, datagram);
        }
        let mut fate = Fate::Dropped(DropReason::Malformed);
        for run in Runs(datagram) {
            let of_run = match run {
                Run::Records(records) => self.feed(now, records)?,
                Run::PlainAlert(description) => {
                    self.note_alert(description);
                    Fate::Dropped(DropReason::Authentication)
                }
            };
            if fate != Fate::Taken {
                fate = of_run;
            }
        }
        Ok(fate)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsError> {
        self.fail_after_deadline(now)?;
        match self.endpoint.handle_timeout(now) {
            Ok(()) => Ok(()),
            Err(error) => match &self.state {
                State::Handshaking { problem, .. } => {
                    Err(DtlsError::Handshake(problem.clone().unwrap_or_else(|| error.to_string())))
                }
                State::Connected | State::Established => Err(DtlsError::Connection(error.to_string())),
            },
        }
    }

    fn send(&mut self, payload: &[u8]) -> Result<(), DtlsError> {
        match self.endpoint.send_application_data(payload) {
            Ok(_) => Ok(()),
            Err(error) => Err(DtlsError::Connection(error.to_string())),
        }
    }

    fn close(&mut self) {
        if let Err(error) = self.endpoint.close() {
            log::debug!("a DTLS endpoint refused to close: {error}");
        }
    }

    fn refuse_certificate(&mut self) {
        if let Err(error) = self.endpoint.abort_with_alert(BAD_CERTIFICATE) {
            log::debug!("a DTLS endpoint refused to send an alert: {error}");
        }
    }

    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> Option<DtlsOutput<'a>> {
        let output = match self.endpoint.poll_output(buffer) {
            Output::Packet(packet) => DtlsOutput::Packet(packet),
            Output::BufferTooSmall { needed } => DtlsOutput::BufferTooSmall(needed),
            Output::Connected => {
                self.state = State::Connected;
                DtlsOutput::Connected
            }
            Output::PeerCert(der) => DtlsOutput::Certificate(der),
            Output::KeyingMaterial(material, profile) => {
                let profile = match profile {
                    dimpl::SrtpProfile::AEAD_AES_256_GCM => SrtpProfile::AeadAes256Gcm,
                    dimpl::SrtpProfile::AEAD_AES_128_GCM => SrtpProfile::AeadAes128Gcm,
                    _ => SrtpProfile::Aes128CmHmacSha1_80,
                };
                let keys = SrtpKeys::from_keying_material(profile, &material);
                DtlsOutput::Keys(Box::new(keys.expect("the library exports as much as the profile needs")))
            }
            Output::ApplicationData(payload) => DtlsOutput::ApplicationData(payload),
            Output::CloseNotify => DtlsOutput::CloseNotify,
            Output::Timeout(instant) => {
                self.timeout = Some(instant);
                if matches!(self.state, State::Connected) {
                    self.endpoint.release_handshake_memory();
                    self.state = State::Established;
                }
                return None;
            }
            _ => return None,
        };
        Some(output)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Handshaking { deadline, .. } => Some(self.timeout.map_or(deadline, |t| t.min(deadline))),
            State::Connected | State::Established => self.timeout,
        }
    }
}

impl fmt::Debug for Dtls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dtls").field("role", &self.role).field("state", &self.state).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    type Flight = Vec<Vec<u8>>;

    fn drain(endpoint: &mut Dtls, keys: &mut Vec<SrtpKeys>) -> Flight {
        let mut buffer = vec![0; 4096];
        let mut flight = Flight::new();
        while let Some(output) = endpoint.poll_output(&mut buffer) {
            match output {
                DtlsOutput::Packet(packet) => flight.push(packet.to_vec()),
                DtlsOutput::Keys(exported) => keys.push(*exported),
                _ => {}
            }
        }
        flight
    }

    fn pair(now: Instant) -> (Dtls, Dtls) {
        let server = Arc::new(Certificate::generate().unwrap());
        let client = Arc::new(Certificate::generate().unwrap());
        (Dtls::new(now, client, DtlsRole::Active, None), Dtls::new(now, server, DtlsRole::Passive, None))
    }

    fn shake(now: Instant, client: &mut Dtls, server: &mut Dtls) -> Vec<SrtpKeys> {
        let mut keys = Vec::new();
        client.handle_timeout(now).unwrap();
        for _ in 0..10 {
            for packet in drain(client, &mut keys) {
                server.handle_datagram(now, &packet).unwrap();
            }
            for packet in drain(server, &mut keys) {
                client.handle_datagram(now, &packet).unwrap();
            }
        }
        keys
    }

    #[test]
    fn both_sides_end_with_the_same_aead_keys() {
        let now = Instant::now();
        let (mut client, mut server) = pair(now);
        let keys = shake(now, &mut client, &mut server);
        assert_eq!(keys.len(), 2);
        assert_eq!(keys[0], keys[1]);
        assert_eq!(keys[0].profile, SrtpProfile::AeadAes128Gcm);
    }

    #[test]
    fn who_takes_one_profile_alone_gets_it() {
        let now = Instant::now();
        for profile in SrtpProfile::ALL {
            let (mut client, mut server) = pair(now);
            client = Dtls::new(now, Arc::clone(&client.certificate), DtlsRole::Active, Some(profile));
            let keys = shake(now, &mut client, &mut server);
            assert_eq!((keys[0].profile, &keys[0]), (profile, &keys[1]));
        }
    }

    #[test]
    fn a_last_flight_that_was_lost_is_sent_again_after_the_handshake_was_freed() {
        let mut now = Instant::now();
        let (mut client, mut server) = pair(now);
        let mut keys = Vec::new();
        client.handle_timeout(now).unwrap();
        for _ in 0..3 {
            for packet in drain(&mut client, &mut keys) {
                server.handle_datagram(now, &packet).unwrap();
            }
            let flight = drain(&mut server, &mut keys);
            if keys.is_empty() {
                for packet in flight {
                    client.handle_datagram(now, &packet).unwrap();
                }
            }
        }
        assert!(keys.len() == 1 && matches!(server.state, State::Established), "the server's last flight was lost");
        while keys.len() == 1 {
            now = client.poll_timeout().unwrap();
            client.handle_timeout(now).unwrap();
            for packet in drain(&mut client, &mut keys) {
                let fate = server.handle_datagram(now, &packet).unwrap();
                assert_eq!(fate, Fate::Dropped(DropReason::Replayed), "nothing new, but asked for again");
            }
            for packet in drain(&mut server, &mut keys) {
                client.handle_datagram(now, &packet).unwrap();
            }
            drain(&mut client, &mut keys);
        }
        assert_eq!(keys[0], keys[1]);
        // And both still close in order.
        server.close();
        for packet in drain(&mut server, &mut keys) {
            assert_eq!(client.handle_datagram(now, &packet), Ok(Fate::Taken));
        }
        let (mut buffer, mut closed) = ([0; 2048], false);
        while let Some(output) = client.poll_output(&mut buffer) {
            closed |= matches!(output, DtlsOutput::CloseNotify);
        }
        assert!(closed);
    }

    #[test]
    fn every_datagram_is_taken_or_dropped_for_a_reason() {
        let now = Instant::now();
        let (mut client, mut server) = pair(now);
        shake(now, &mut client, &mut server);
        client.send(b"once").unwrap();
        let sealed = drain(&mut client, &mut Vec::new()).remove(0);
        let mut forged = sealed.clone();
        *forged.last_mut().unwrap() ^= 1;
        let plain_alert = [21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40];
        for (datagram, fate) in [
            (&forged[..], Fate::Dropped(DropReason::Authentication)),
            (&sealed[..], Fate::Taken),
            (&sealed[..], Fate::Dropped(DropReason::Replayed)),
            (&sealed[..20], Fate::Dropped(DropReason::Malformed)),
            (&plain_alert[..], Fate::Dropped(DropReason::Authentication)),
            (&[22; 40], Fate::Dropped(DropReason::Malformed)),
        ] {
            assert_eq!(server.handle_datagram(now, datagram), Ok(fate), "{datagram:02x?}");
        }
    }

    #[test]
    fn a_forged_alert_at_any_time_does_not_end_a_handshake() {
        let now = Instant::now();
        let (mut client, mut server) = pair(now);
        let forged = [21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40];
        server.handle_datagram(now, &forged).unwrap();
        client.handle_timeout(now).unwrap();
        let mut keys = Vec::new();
        for _ in 0..10 {
            for packet in drain(&mut client, &mut keys) {
                server.handle_datagram(now, &packet).unwrap();
                server.handle_datagram(now, &forged).unwrap();
            }
            client.handle_datagram(now, &forged).unwrap();
            for packet in drain(&mut server, &mut keys) {
                client.handle_datagram(now, &packet).unwrap();
            }
        }
        assert_eq!(keys.len(), 2);
        server.handle_datagram(now, &forged).unwrap();
    }

    #[test]
    fn a_handshake_without_an_answer_ends_at_its_deadline() {
        let now = Instant::now();
        let (mut client, _) = pair(now);
        let mut keys = Vec::new();
        client.handle_timeout(now).unwrap();
        let mut sent = drain(&mut client, &mut keys).len();
        let error = loop {
            let at = client.poll_timeout().unwrap();
            assert!(at <= now + HANDSHAKE_TIMEOUT);
            if let Err(error) = client.handle_timeout(at) {
                break error;
            }
            sent += drain(&mut client, &mut keys).len();
        };
        assert!(matches!(error, DtlsError::Handshake(_)), "{error}");
        assert!(sent >= 5, "{sent} flights were sent");
    }
}

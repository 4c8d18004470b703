//! DTLS 1.2 (RFC 6347) with SRTP keys (RFC 5764), behind one small trait.
//!
//! [`Dtls`] stands on `dimpl`. In DTLS 1.2 its server chooses the profile itself, AEAD first; in 1.3 it would take the
//! client's first, which in Chromium is the slow one. What arrives before the handshake is complete is not authenticated:
//! a plaintext alert or a broken handshake message never ends the session, only the deadline does.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use dimpl::Output;
use thiserror::Error;

use crate::certificate::Certificate;
use crate::srtp::{SrtpKeys, SrtpProfile};

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
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<(), DtlsError>;
    /// Time has passed.
    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsError>;
    /// Application data for the peer.
    fn send(&mut self, payload: &[u8]) -> Result<(), DtlsError>;
    /// Queues a `close_notify`.
    fn close(&mut self);
    /// The next output; `None` when drained.
    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> Option<DtlsOutput<'a>>;
    /// When to call [`DtlsEndpoint::handle_timeout`].
    fn poll_timeout(&self) -> Option<Instant>;
}

/// The library's settings, the same for every session.
static CONFIG: LazyLock<Arc<dimpl::Config>> = LazyLock::new(|| {
    let config = dimpl::Config::builder()
        .mtu(MTU)
        // ICE has validated the address already; a cookie would cost a round trip.
        .use_server_cookie(false)
        .flight_start_rto(FLIGHT_RTO)
        .flight_retries(FLIGHT_RETRIES)
        .handshake_timeout(HANDSHAKE_TIMEOUT)
        .build();
    Arc::new(config.expect("the library accepts these constants"))
});

/// DTLS 1.2 by `dimpl`.
pub struct Dtls {
    endpoint: dimpl::Dtls,
    certificate: Arc<Certificate>,
    role: DtlsRole,
    state: State,
    timeout: Option<Instant>,
}

#[derive(Debug)]
enum State {
    /// Until keys are there; the deadline and what went wrong last.
    Handshaking { deadline: Instant, problem: Option<String> },
    /// Everything is authentic from here on.
    Established,
}

impl Dtls {
    /// An endpoint. An active one sends its ClientHello after the first [`DtlsEndpoint::handle_timeout`].
    pub fn new(now: Instant, certificate: Arc<Certificate>, role: DtlsRole) -> Self {
        let endpoint = new_endpoint(now, &certificate, role);
        let state = State::Handshaking { deadline: now + HANDSHAKE_TIMEOUT, problem: None };
        Self { endpoint, certificate, role, state, timeout: None }
    }

    /// Starts over after unauthenticated input broke the handshake: the peer retransmits its ClientHello.
    fn start_over(&mut self, now: Instant, error: &dimpl::Error) {
        let State::Handshaking { problem, .. } = &mut self.state else {
            return;
        };
        log::debug!("a DTLS handshake starts over: {error}");
        *problem = Some(error.to_string());
        self.endpoint = new_endpoint(now, &self.certificate, self.role);
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

    fn feed(&mut self, now: Instant, records: &[u8]) -> Result<(), DtlsError> {
        match (self.endpoint.handle_packet(records), &self.state) {
            (Ok(()), _) => Ok(()),
            (Err(error), State::Handshaking { .. }) => {
                self.start_over(now, &error);
                Ok(())
            }
            (Err(error), State::Established) => Err(DtlsError::Connection(error.to_string())),
        }
    }

    fn note_alert(&mut self, description: u8) {
        log::debug!("a plaintext DTLS alert {description} was ignored");
        if let State::Handshaking { problem, .. } = &mut self.state {
            *problem = Some(format!("the peer sent alert {description}"));
        }
    }
}

fn new_endpoint(now: Instant, certificate: &Certificate, role: DtlsRole) -> dimpl::Dtls {
    let identity =
        dimpl::DtlsCertificate { certificate: certificate.der.clone(), private_key: certificate.key.clone() };
    let mut endpoint = dimpl::Dtls::new_12(Arc::clone(&CONFIG), identity, now);
    endpoint.set_active(role == DtlsRole::Active);
    // The library wants to be told the time before its first datagram.
    if let Err(error) = endpoint.handle_timeout(now) {
        log::debug!("a fresh DTLS endpoint refused the time: {error}");
    }
    endpoint
}

impl DtlsEndpoint for Dtls {
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<(), DtlsError> {
        self.handle_timeout(now)?;
        if matches!(self.state, State::Established) {
            return self.feed(now, datagram);
        }
        for run in Runs(datagram) {
            match run {
                Run::Records(records) => self.feed(now, records)?,
                Run::PlainAlert(description) => self.note_alert(description),
            }
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsError> {
        self.fail_after_deadline(now)?;
        match self.endpoint.handle_timeout(now) {
            Ok(()) => Ok(()),
            Err(error) => match &self.state {
                State::Handshaking { problem, .. } => {
                    Err(DtlsError::Handshake(problem.clone().unwrap_or_else(|| error.to_string())))
                }
                State::Established => Err(DtlsError::Connection(error.to_string())),
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

    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> Option<DtlsOutput<'a>> {
        let output = match self.endpoint.poll_output(buffer) {
            Output::Packet(packet) => DtlsOutput::Packet(packet),
            Output::BufferTooSmall { needed } => DtlsOutput::BufferTooSmall(needed),
            Output::Connected => {
                self.state = State::Established;
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
                return None;
            }
            _ => return None,
        };
        Some(output)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Handshaking { deadline, .. } => Some(self.timeout.map_or(deadline, |t| t.min(deadline))),
            State::Established => self.timeout,
        }
    }
}

impl fmt::Debug for Dtls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dtls").field("role", &self.role).field("state", &self.state).finish_non_exhaustive()
    }
}

/// Splits a datagram into records to process and unprotected alerts to note (RFC 6347 §4.1, epoch 0, type 21).
struct Runs<'a>(&'a [u8]);

enum Run<'a> {
    Records(&'a [u8]),
    PlainAlert(u8),
}

impl<'a> Iterator for Runs<'a> {
    type Item = Run<'a>;

    fn next(&mut self) -> Option<Run<'a>> {
        let mut end = 0;
        while let Some(record) = record_at(self.0, end) {
            if record.is_plain_alert {
                if end > 0 {
                    break;
                }
                let description = record.fragment.get(1).copied().unwrap_or_default();
                self.0 = &self.0[record.end..];
                return Some(Run::PlainAlert(description));
            }
            end = record.end;
        }
        let (run, rest) = self.0.split_at(end);
        // What is no whole record is nothing that the library would take either.
        self.0 = if run.is_empty() { &[] } else { rest };
        (!run.is_empty()).then_some(Run::Records(run))
    }
}

struct Record<'a> {
    is_plain_alert: bool,
    fragment: &'a [u8],
    end: usize,
}

fn record_at(datagram: &[u8], start: usize) -> Option<Record<'_>> {
    const HEADER_LEN: usize = 13;
    const ALERT: u8 = 21;
    let header: &[u8; HEADER_LEN] = datagram.get(start..)?.first_chunk()?;
    let len = usize::from(u16::from_be_bytes([header[11], header[12]]));
    let end = start + HEADER_LEN + len;
    let fragment = datagram.get(start + HEADER_LEN..end)?;
    Some(Record { is_plain_alert: header[0] == ALERT && header[3..5] == [0, 0], fragment, end })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn record(kind: u8, epoch: u8, fragment: &[u8]) -> Vec<u8> {
        let mut record = vec![kind, 254, 253, 0, epoch, 0, 0, 0, 0, 0, 0, 0, fragment.len() as u8];
        record.extend_from_slice(fragment);
        record
    }

    fn describe(datagram: &[u8]) -> Vec<(bool, usize)> {
        Runs(datagram)
            .map(|run| match run {
                Run::Records(records) => (false, records.len()),
                Run::PlainAlert(description) => (true, usize::from(description)),
            })
            .collect()
    }

    #[test]
    fn plain_alerts_are_cut_out() {
        let handshake = record(22, 0, &[1; 10]);
        let alert = record(21, 0, &[2, 40]);
        let sealed_alert = record(21, 1, &[9; 20]);
        assert_eq!(
            describe(&[handshake.clone(), alert.clone(), handshake.clone()].concat()),
            [(false, 23), (true, 40), (false, 23)]
        );
        assert_eq!(describe(&[handshake.clone(), handshake.clone()].concat()), [(false, 46)]);
        assert_eq!(describe(&sealed_alert), [(false, 33)]);
        assert_eq!(describe(&alert[..14]), []);
        assert_eq!(describe(&[alert, handshake[..20].to_vec()].concat()), [(true, 40)]);
        assert_eq!(describe(&[]), []);
    }

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
        (Dtls::new(now, client, DtlsRole::Active), Dtls::new(now, server, DtlsRole::Passive))
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
        assert_eq!(keys[0].profile, SrtpProfile::AeadAes256Gcm);
    }

    #[test]
    fn a_forged_alert_at_any_time_does_not_end_a_handshake() {
        let now = Instant::now();
        let (mut client, mut server) = pair(now);
        let forged = record(21, 0, &[2, 40]);
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

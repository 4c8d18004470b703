//! What a client's description says about its transport, and whether the SFU can connect to it.

use sfu_transport::{Fingerprint, IceCredentials, Remote, SctpParameters};

use super::error::NegotiationError;
use super::parse::{Description, RemoteSection, Setup, TransportLines};
use super::section::SectionKind;

/// The client's side of the transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteTransport {
    /// The client's.
    pub credentials: IceCredentials,
    /// The client's certificate matches one of these (RFC 8122 §5).
    pub fingerprints: Vec<Fingerprint>,
    /// Present when data channels are negotiated.
    pub sctp: Option<SctpParameters>,
}

impl RemoteTransport {
    /// For the transport.
    pub fn to_transport(&self) -> Remote {
        Remote { fingerprints: self.fingerprints.clone(), sctp: self.sctp }
    }
}

/// RFC 8841 §6.1: without `a=max-message-size`.
const DEFAULT_MAX_MESSAGE_SIZE: usize = 65_536;

/// RFC 8841 §5.2 wants the attribute; 5000 is what everybody uses.
const DEFAULT_SCTP_PORT: u16 = 5000;

/// Which description is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Offer,
    Answer,
}

/// The transport of the section that stands for the bundle (RFC 9143 §7.3.1), completed by what stands above the sections.
pub(super) fn transport(
    description: &Description<'_>,
    live: &[&RemoteSection<'_>],
    role: Role,
) -> Result<Option<RemoteTransport>, NegotiationError> {
    if let Some(row) = description.ice_lite {
        return Err(NegotiationError::IceLite { line: row.line() });
    }
    let Some(tagged) = tagged(description, live) else {
        return Ok(None);
    };
    let (own, above) = (&tagged.transport, &description.transport);
    let missing = |attribute| NegotiationError::Missing { attribute, place: tagged.place.clone() };
    let ufrag = own.ufrag.as_ref().or(above.ufrag.as_ref());
    let pwd = own.pwd.as_ref().or(above.pwd.as_ref());
    let fingerprints = if own.fingerprints.is_empty() { &above.fingerprints } else { &own.fingerprints };
    let credentials = IceCredentials {
        ufrag: ufrag.ok_or_else(|| missing("a=ice-ufrag"))?.clone(),
        pwd: pwd.ok_or_else(|| missing("a=ice-pwd"))?.clone(),
    };
    if fingerprints.is_empty() {
        return Err(missing("a=fingerprint"));
    }
    check_setup(own, above, role)?;
    let data = live.iter().find(|section| section.kind == Some(SectionKind::Application));
    Ok(Some(RemoteTransport {
        credentials,
        fingerprints: fingerprints.clone(),
        sctp: data.map(|section| SctpParameters {
            port: section.sctp_port.unwrap_or(DEFAULT_SCTP_PORT),
            max_message_size: section
                .max_message_size
                .map_or(DEFAULT_MAX_MESSAGE_SIZE, |size| usize::try_from(size).unwrap_or(usize::MAX)),
        }),
    }))
}

/// The section of the first tag if it is alive and says something, else the first one that does.
fn tagged<'d, 'a>(description: &Description<'_>, live: &[&'d RemoteSection<'a>]) -> Option<&'d RemoteSection<'a>> {
    let speaks = |section: &&&RemoteSection<'_>| section.transport.ufrag.is_some();
    let tag = description.bundle.as_ref().and_then(|tags| tags.first());
    let named =
        live.iter().find(|section| section.mid.is_some_and(|(mid, _)| Some(mid.as_str()) == tag.map(String::as_str)));
    named.filter(speaks).or_else(|| live.iter().find(speaks)).or(live.first()).copied()
}

/// The SFU is the DTLS server (RFC 8842 §5.2, §5.3): as client it would end with a slower SRTP profile in Chromium.
fn check_setup(own: &TransportLines<'_>, above: &TransportLines<'_>, role: Role) -> Result<(), NegotiationError> {
    match own.setup.as_ref().or(above.setup.as_ref()) {
        // RFC 4145 §4: `active` is the default.
        None | Some((Setup::Active, _)) => Ok(()),
        Some((Setup::Actpass, _)) if role == Role::Offer => Ok(()),
        Some((Setup::Actpass | Setup::Passive | Setup::Holdconn, row)) => {
            Err(NegotiationError::Setup { line: row.line() })
        }
    }
}

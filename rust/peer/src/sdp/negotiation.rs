//! The sections of the peer's one transport, and how offers and answers change them.
//!
//! Sections keep their place for good (RFC 9429 §5.2.2). The numbers of whoever described first are used from then on.

use sfu_wire::{Extension, ExtensionMap, Mid, Ssrc};

use super::parse::parse;
use super::write::{Local, write};
use super::{Codec, Numbers, Remote, RemoteSection, SdpError, Section, SectionKind, Standing};
use crate::config::PeerCodec;

#[derive(Debug, Default)]
pub(crate) struct Negotiation {
    pub(crate) sections: Vec<Section>,
    numbers: Numbers,
    /// Somebody has described: the numbers are fixed.
    described: bool,
    version: u64,
    mids: u32,
}

impl Negotiation {
    /// A section of the peer's own for its next offer.
    /// A source's comes with its codec.
    pub(crate) fn add(&mut self, kind: SectionKind, source: Option<(usize, PeerCodec)>) {
        let mid = self.free_mid();
        let mut section = Section {
            mid,
            kind,
            source: source.map(|(source, _)| source),
            sent: source.map(|(_, codec)| codec),
            sends: source.is_some(),
            receives: source.is_none() && kind != SectionKind::Application,
            standing: Standing::Open,
            codecs: Vec::new(),
            extensions: self.numbers.extensions,
            announced: Vec::new(),
        };
        section.set_codecs(self.numbers.codecs(kind));
        self.sections.push(section);
    }

    pub(crate) fn has_application(&self) -> bool {
        self.sections.iter().any(|s| s.kind == SectionKind::Application && !s.is_stopped())
    }

    /// The section of a source.
    pub(crate) fn of_source(&self, kind: SectionKind, source: usize) -> Option<&Section> {
        self.sections.iter().find(|s| s.kind == kind && s.source == Some(source))
    }

    /// Turns a source on or off in the next offer.
    pub(crate) fn set_sends(&mut self, kind: SectionKind, source: usize, sends: bool) {
        if let Some(section) = self.sections.iter_mut().find(|s| s.kind == kind && s.source == Some(source)) {
            section.sends = sends;
        }
    }

    /// The section in which the server sends this stream: by mid, else as announced.
    pub(crate) fn of_stream(&self, mid: Option<Mid>, ssrc: Ssrc) -> Option<&Section> {
        let announces = |s: &&Section| s.announced.iter().any(|(p, r)| *p == ssrc || *r == Some(ssrc));
        match mid {
            Some(mid) => self.sections.iter().find(|s| s.mid == mid),
            None => self.sections.iter().find(announces),
        }
    }

    pub(crate) fn offer(&mut self, local: &Local<'_>) -> String {
        self.described = true;
        self.version += 1;
        for section in &mut self.sections {
            if section.codecs.is_empty() {
                section.set_codecs(self.numbers.codecs(section.kind));
            }
        }
        write(&self.sections, local, self.version, "actpass")
    }

    pub(crate) fn receive_answer(&mut self, sdp: &str) -> Result<Remote, SdpError> {
        let remote = parse(sdp)?;
        let (found, offered) = (remote.sections.len(), self.sections.len());
        if found != offered {
            return Err(SdpError::SectionCount { found, offered });
        }
        for (section, answered) in self.sections.iter_mut().zip(&remote.sections) {
            apply(section, answered);
        }
        Ok(remote)
    }

    /// Takes the server's sections over; [`Negotiation::answer`] answers them.
    pub(crate) fn receive_offer(&mut self, sdp: &str) -> Result<Remote, SdpError> {
        let remote = parse(sdp)?;
        if !self.described {
            self.learn(&remote);
        }
        for (index, offered) in remote.sections.iter().enumerate() {
            if index >= self.sections.len() || self.sections[index].is_stopped() && !offered.stopped {
                let section = arrived(offered)?;
                if index < self.sections.len() {
                    self.sections[index] = section;
                } else {
                    self.sections.push(section);
                }
            }
            apply(&mut self.sections[index], offered);
        }
        Ok(remote)
    }

    pub(crate) fn answer(&mut self, local: &Local<'_>) -> String {
        self.version += 1;
        write(&self.sections, local, self.version, "active")
    }

    /// The server described first: its numbers are everybody's.
    fn learn(&mut self, remote: &Remote) {
        self.described = true;
        let mut extensions = ExtensionMap::new();
        for section in remote.sections.iter().filter(|s| !s.stopped) {
            for (id, extension) in section.extensions.iter().filter(|(_, e)| is_known(*e)) {
                extensions.insert(id, extension);
            }
        }
        for (id, extension) in self.numbers.extensions.iter() {
            let free = (id..=14).chain(1..id).find(|id| extensions.extension(*id).is_none());
            if let Some(id) = free
                && !extensions.contains(extension)
            {
                extensions.insert(id, extension);
            }
        }
        self.numbers.extensions = extensions;
        let sections = remote.sections.iter().filter(|section| !section.stopped);
        let theirs: Vec<Codec> = sections.flat_map(|section| &section.codecs).copied().collect();
        self.numbers.learn(&theirs);
        for section in &mut self.sections {
            section.set_codecs(self.numbers.codecs(section.kind));
            section.extensions = extensions;
        }
    }

    fn free_mid(&mut self) -> Mid {
        loop {
            let mid = Mid::new(&self.mids.to_string()).expect("ten digits at most");
            self.mids += 1;
            if self.sections.iter().all(|s| s.mid != mid) {
                return mid;
            }
        }
    }
}

/// A section that the server brought up.
fn arrived(offered: &RemoteSection) -> Result<Section, SdpError> {
    Ok(Section {
        mid: offered.mid.ok_or(SdpError::Missing("a=mid"))?,
        kind: offered.kind,
        source: None,
        sends: false,
        receives: offered.kind != SectionKind::Application,
        standing: if offered.stopped { Standing::Stopped } else { Standing::Open },
        sent: None,
        codecs: offered.codecs.clone(),
        extensions: ExtensionMap::new(),
        announced: Vec::new(),
    })
}

fn apply(section: &mut Section, remote: &RemoteSection) {
    let codec_is_missing = section.kind != SectionKind::Application && remote.codecs.is_empty();
    section.standing = match remote.receives {
        _ if remote.stopped || codec_is_missing => Standing::Stopped,
        true => Standing::Accepted,
        false => Standing::Open,
    };
    if section.kind == SectionKind::Application || section.is_stopped() {
        return;
    }
    section.set_codecs(&remote.codecs);
    section.extensions = remote.extensions.iter().filter(|(_, e)| is_known(*e)).collect();
    if !section.sends {
        section.receives = remote.sends || section.receives;
    }
    section.announced.clone_from(&remote.announced);
}

fn is_known(extension: Extension) -> bool {
    Numbers::default().extensions.contains(extension)
}

//! The header of a subscriber's packets: the SFU's own extensions on this hop, and those of the publisher that pass.
//!
//! Most packets carry the SFU's own alone, which differ in two values: they are laid out once and copied. So it is with one short
//! extension more, as the level of audio.

use sfu_wire::rtp::extension_value::AbsSendTime;
use sfu_wire::rtp::{ExtensionForms, HeaderTemplate, MAX_EXTENSIONS, RtpHeader, write_header};
use sfu_wire::{Extension, ExtensionMap, Mid};

use crate::negotiation::SendParameters;
use crate::rewrite::dependency_descriptor::{self, DependencyPatch};

/// Those of a publisher's extensions that go on. MID, RID, transport-wide numbers and send times are the SFU's own on each hop.
pub(crate) fn passing<'a>(
    publisher: ExtensionMap,
    extensions: impl Iterator<Item = (u8, &'a [u8])> + Clone,
) -> impl Iterator<Item = (u8, &'a [u8])> + Clone {
    extensions.filter(move |(id, _)| {
        matches!(
            publisher.extension(*id),
            Some(
                Extension::AudioLevel
                    | Extension::VideoOrientation
                    | Extension::DependencyDescriptor
                    | Extension::AbsCaptureTime
            )
        )
    })
}

/// See the module's text.
#[derive(Debug, Clone)]
pub(crate) struct HeaderWriter {
    mid: Mid,
    extensions: ExtensionMap,
    forms: ExtensionForms,
    /// With the SFU's own extensions, unless they need too much room.
    template: Option<HeaderTemplate>,
    /// Where the template has the send time.
    send_time: Option<usize>,
}

/// What was written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    /// Where the payload goes.
    pub(crate) len: usize,
    /// Where the transport-wide number goes, which is taken last.
    pub(crate) number: Option<usize>,
}

/// What passes of a packet's extensions, each an id and a value, and what the publisher's ids mean.
pub(crate) struct Passed<'a, I> {
    pub(crate) extensions: I,
    pub(crate) publisher: &'a ExtensionMap,
    /// What becomes of a dependency descriptor among them.
    pub(crate) dependency: DependencyPatch,
}

/// The SFU's own extensions, in this order.
struct Own<'a> {
    number: Option<(u8, &'a [u8])>,
    mid: Option<(u8, &'a [u8])>,
    send_time: Option<(u8, &'a [u8])>,
}

impl<'a> Own<'a> {
    fn iter(&self) -> impl Iterator<Item = (u8, &'a [u8])> {
        [self.number, self.mid, self.send_time].into_iter().flatten()
    }
}

impl HeaderWriter {
    pub(crate) fn new(mid: Mid, parameters: &SendParameters) -> Self {
        let forms = if parameters.extmap_allow_mixed { ExtensionForms::Mixed } else { ExtensionForms::OneByte };
        let mut writer = Self { mid, extensions: parameters.extensions, forms, template: None, send_time: None };
        let own = writer.own(&[0; AbsSendTime::LEN]);
        let mut list: [(u8, &[u8]); 3] = [(0, &[]); 3];
        let count = list.iter_mut().zip(own.iter()).map(|(place, extension)| *place = extension).count();
        let template = HeaderTemplate::new(&list[..count], forms);
        let place = own.send_time.map(|_| count - 1);
        writer.send_time = template.zip(place).and_then(|(template, place)| template.value_offset(place));
        writer.template = template;
        writer
    }

    pub(crate) const fn mid(&self) -> Mid {
        self.mid
    }

    /// Writes a header into `buffer`; `None`: it has no room for it.
    pub(crate) fn write<'e>(
        &self,
        buffer: &mut [u8],
        header: &RtpHeader,
        passed: Passed<'_, impl Iterator<Item = (u8, &'e [u8])>>,
        send_time: AbsSendTime,
    ) -> Option<Written> {
        let Passed { mut extensions, publisher, dependency } = passed;
        let first = extensions.next();
        let second = first.and_then(|_| extensions.next());
        let written = self.template.as_ref().filter(|_| second.is_none()).and_then(|template| {
            let len = match first.and_then(|extension| self.translate(publisher, extension)) {
                None => template.write(buffer, header)?,
                Some((Extension::DependencyDescriptor, ..)) => return None,
                Some((_, id, value)) => template.write_with(buffer, header, (id, value))?,
            };
            Some((template, len))
        });
        let Some((template, len)) = written else {
            let extensions = first.into_iter().chain(second).chain(extensions);
            return self.write_at_length(buffer, header, Passed { extensions, publisher, dependency }, send_time);
        };
        if let Some(at) = self.send_time {
            buffer[at..at + AbsSendTime::LEN].copy_from_slice(&send_time.to_bytes());
        }
        let number = self.extensions.id(Extension::TransportCc).and_then(|_| template.value_offset(0));
        Some(Written { len, number })
    }

    fn write_at_length<'e>(
        &self,
        buffer: &mut [u8],
        header: &RtpHeader,
        passed: Passed<'_, impl Iterator<Item = (u8, &'e [u8])>>,
        send_time: AbsSendTime,
    ) -> Option<Written> {
        let send_time = send_time.to_bytes();
        let own = self.own(&send_time);
        let mut descriptor = [0; dependency_descriptor::MAX_LEN];
        let mut list: [(u8, &[u8]); MAX_EXTENSIONS] = [(0, &[]); MAX_EXTENSIONS];
        let mut count = 0;
        let mut add = |extension| {
            if let Some(place) = list.get_mut(count) {
                *place = extension;
                count += 1;
            }
        };
        own.iter().for_each(&mut add);
        let translated = passed.extensions.filter_map(|extension| self.translate(passed.publisher, extension));
        let mut place_of_descriptor = None;
        for (extension, id, value) in translated {
            add((id, value));
            if extension == Extension::DependencyDescriptor {
                place_of_descriptor = Some(id);
            }
        }
        if let Some(id) = place_of_descriptor.filter(|_| !passed.dependency.is_empty())
            && let Some((_, value)) = list[..count].iter_mut().find(|(found, _)| *found == id)
        {
            let len = passed.dependency.apply(value, &mut descriptor);
            *value = &descriptor[..len];
        }
        let written = write_header(buffer, header, &[], &list[..count], self.forms)?;
        // First, so that its place in the list is known.
        let number = own.number.and_then(|_| written.value_offset(0));
        Some(Written { len: written.len(), number })
    }

    /// What a publisher's extension is, and its id on this wire, if the subscriber takes it.
    fn translate<'e>(
        &self,
        publisher: &ExtensionMap,
        (id, value): (u8, &'e [u8]),
    ) -> Option<(Extension, u8, &'e [u8])> {
        let extension = publisher.extension(id)?;
        Some((extension, self.extensions.id(extension)?, value))
    }

    /// Each that the subscriber takes.
    fn own<'a>(&'a self, send_time: &'a [u8; AbsSendTime::LEN]) -> Own<'a> {
        let id = |extension| self.extensions.id(extension);
        Own {
            number: id(Extension::TransportCc).map(|id| (id, &[0; 2][..])),
            mid: id(Extension::Mid).map(|id| (id, self.mid.as_bytes())),
            send_time: id(Extension::AbsSendTime).map(|id| (id, &send_time[..])),
        }
    }
}

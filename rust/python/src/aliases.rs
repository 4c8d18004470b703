//! The stub's type aliases as values, so that what a reader of the stub can import is there.

use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// Words that an alias allows.
const WORDS: [(&str, &[&str]); 5] = [
    ("TransportName", &["main", "publisher", "subscriber"]),
    ("KindName", &["audio", "video"]),
    ("ChoiceReason", &["best", "limit", "not_flowing", "budget", "hysteresis"]),
    ("CodecName", &["opus", "red", "VP8", "VP9", "AV1", "H264", "H265"]),
    ("StateName", &["connecting", "connected", "disconnected", "closed"]),
];

const EVENTS: [&str; 20] = [
    "OfferReady",
    "SectionsNeeded",
    "ConnectionStateChanged",
    "SessionEnded",
    "TrackPublished",
    "TrackUnpublished",
    "TrackStalled",
    "Subscribed",
    "Unsubscribed",
    "SubscriptionFailed",
    "LayerChanged",
    "LayersChanged",
    "LayersWanted",
    "SpeakersChanged",
    "ChannelOpened",
    "ChannelMessage",
    "ChannelWritable",
    "ChannelEnded",
    "TapReady",
    "Dump",
];

const REPLIES: [&str; 6] = ["Description", "CommandFailed", "TapFrames", "SfuStats", "RoomStats", "SessionStats"];

/// Adds the aliases to the module; the classes are there already.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let (typing, builtins) = (py.import("typing")?, py.import("builtins")?);
    let (literal, union) = (typing.getattr("Literal")?, typing.getattr("Union")?);
    for (alias, words) in WORDS {
        // A union of one-word literals: the form in which stubtest compares the alias.
        let words = words.iter().map(|word| literal.get_item(word)).collect::<PyResult<Vec<_>>>()?;
        module.add(alias, union.get_item(PyTuple::new(py, words)?)?)?;
    }
    let class = |name: &&str| module.getattr(*name);
    let events = EVENTS.iter().map(class).collect::<PyResult<Vec<_>>>()?;
    module.add("Event", union.get_item(PyTuple::new(py, events)?)?)?;
    let [int, bool, str, tuple] = ["int", "bool", "str", "tuple"].map(|name| builtins.getattr(name));
    let text = str?;
    let pair = tuple?.get_item((&text, &text))?;
    let mut replies = vec![py.None().into_bound(py), int?, bool?, pair];
    for name in &REPLIES {
        replies.push(class(name)?);
    }
    module.add("Reply", union.get_item(PyTuple::new(py, replies)?)?)
}

//! Arguments on their way in: text and numbers become the core's types, or a `ValueError` that says what to write.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use log::LevelFilter;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use sfu_core::codec::CodecName;
use sfu_core::command::SdpType;
use sfu_core::config::{Estimation, Offers};
use sfu_core::layer::Layer;
use sfu_core::transport::TransportKind;

/// Every codec that an argument can name.
const CODECS: [CodecName; 7] =
    [CodecName::Opus, CodecName::Red, CodecName::Vp8, CodecName::Vp9, CodecName::Av1, CodecName::H264, CodecName::H265];

/// One of a few words.
fn choose<T: Copy>(argument: &str, value: &str, choices: &[(&str, T)]) -> PyResult<T> {
    choices.iter().find(|(word, _)| *word == value).map(|(_, choice)| *choice).ok_or_else(|| {
        let words: Vec<_> = choices.iter().map(|(word, _)| format!("{word:?}")).collect();
        refuse(argument, format!("{value:?} is not one of {}", words.join(", ")))
    })
}

fn refuse(argument: &str, problem: impl Display) -> PyErr {
    PyValueError::new_err(format!("{argument}: {problem}"))
}

/// Whether what the ways to subscribers carry is estimated.
pub(crate) const fn estimation(congestion_control: bool) -> Estimation {
    if congestion_control { Estimation::Gcc } else { Estimation::Off }
}

pub(crate) fn transport(value: &str) -> PyResult<TransportKind> {
    use TransportKind::{Main, Publisher, Subscriber};
    choose("transport", value, &[("main", Main), ("publisher", Publisher), ("subscriber", Subscriber)])
}

pub(crate) fn sdp_type(value: &str) -> PyResult<SdpType> {
    choose("type", value, &[("offer", SdpType::Offer), ("answer", SdpType::Answer)])
}

pub(crate) fn offers(value: &str) -> PyResult<Offers> {
    choose("offers", value, &[("either", Offers::Either), ("client", Offers::Client), ("split", Offers::Split)])
}

pub(crate) fn codecs(argument: &str, values: Vec<String>) -> PyResult<Vec<CodecName>> {
    let choices = CODECS.map(|codec| (codec.as_str(), codec));
    values.into_iter().map(|value| choose(argument, &value, &choices)).collect()
}

pub(crate) fn log_level(value: &str) -> PyResult<LevelFilter> {
    use LevelFilter::{Debug, Error, Info, Off, Trace, Warn};
    let choices = [
        ("off", Off),
        ("error", Error),
        ("warning", Warn),
        ("info", Info),
        ("debug", Debug),
        ("trace", Trace),
        ("warn", Warn),
        ("critical", Error),
    ];
    choose("log_level", &value.to_ascii_lowercase(), &choices)
}

pub(crate) fn socket_addresses(values: Vec<String>) -> PyResult<Vec<SocketAddr>> {
    let parse = |value: String| {
        let problem = || format!("{value:?} is not a socket address: write \"0.0.0.0:7882\" or \"[::]:7882\"");
        value.parse().map_err(|_| refuse("udp", problem()))
    };
    values.into_iter().map(parse).collect()
}

pub(crate) fn ip_addresses(values: Vec<String>) -> PyResult<Vec<IpAddr>> {
    let parse = |value: String| {
        let problem = || format!("{value:?} is not an IP address: write \"203.0.113.7\" or \"2001:db8::7\", no port");
        value.parse().map_err(|_| refuse("announce", problem()))
    };
    values.into_iter().map(parse).collect()
}

pub(crate) fn seconds(argument: &str, value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value)
        .map_err(|_| refuse(argument, format!("{value} is not a time: give seconds, 0 or more")))
}

pub(crate) fn layer(value: Option<(i64, i64)>) -> PyResult<Option<Layer>> {
    let number = |number: i64| match u8::try_from(number) {
        Ok(number) if number <= 7 => Ok(number),
        _ => Err(refuse("max_layer", format!("{number} is not a layer: both numbers are between 0 and 7"))),
    };
    value.map(|(spatial, temporal)| Ok(Layer { spatial: number(spatial)?, temporal: number(temporal)? })).transpose()
}

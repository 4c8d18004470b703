//! The records of a datagram (RFC 6347 §4.1), told apart before the library sees them.
//!
//! A plaintext alert is not authentic and could end a handshake for whoever forges one, so it is cut out and noted only.

/// Splits a datagram into records to process and unprotected alerts to note (RFC 6347 §4.1, epoch 0, type 21).
pub(super) struct Runs<'a>(pub(super) &'a [u8]);

pub(super) enum Run<'a> {
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
}

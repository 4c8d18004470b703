//! The textual encoding of certificates and keys (RFC 7468 §2): labelled base64 blocks.

/// The first block in `text` whose label `accepts` takes, decoded.
pub(crate) fn find(text: &str, accepts: impl Fn(&str) -> bool) -> Option<Vec<u8>> {
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix("-----BEGIN ").and_then(|l| l.strip_suffix("-----")) else {
            continue;
        };
        if accepts(label) {
            let end = format!("-----END {label}-----");
            let mut digits = String::new();
            for line in lines.by_ref() {
                if line == end {
                    return decode_base64(&digits);
                }
                digits.push_str(line);
            }
            return None;
        }
    }
    None
}

/// RFC 4648 §4, with padding.
fn decode_base64(digits: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = digits.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let padding = digits.iter().rev().take_while(|&&b| b == b'=').count();
    if digits.is_empty() || !digits.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3);
    let (mut bits, mut width) = (0_u32, 0);
    for &digit in &digits[..digits.len() - padding] {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        width += 6;
        if width >= 8 {
            width -= 8;
            bytes.push((bits >> width) as u8);
            bits &= (1 << width) - 1;
        }
    }
    Some(bytes)
}

/// RFC 7468 §3: lines of 64 characters.
pub(crate) fn encode(label: &str, bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = format!("-----BEGIN {label}-----\n");
    for (index, chunk) in bytes.chunks(3).enumerate() {
        if index > 0 && index % 16 == 0 {
            text.push('\n');
        }
        let group = chunk.iter().fold(0_u32, |group, &b| group << 8 | u32::from(b)) << (8 * (3 - chunk.len()));
        for position in 0..4 {
            let digit = DIGITS[(group >> (18 - 6 * position) & 63) as usize];
            text.push(if position <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    for part in ["\n-----END ", label, "-----\n"] {
        text.push_str(part);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648 §10.
    #[test]
    fn base64_vectors() {
        for (text, bytes) in
            [("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg==", "foob"), ("Zm9vYmFy", "foobar")]
        {
            assert_eq!(decode_base64(text).as_deref(), Some(bytes.as_bytes()));
            assert!(encode("X", bytes.as_bytes()).contains(text));
        }
        for bad in ["", "Zg=", "Zg", "Z===", "Zm9*"] {
            assert_eq!(decode_base64(bad), None, "{bad}");
        }
    }

    #[test]
    fn blocks_are_found_by_label() {
        let bytes: Vec<u8> = (0..=255).collect();
        let text = format!("text\n{}more\n{}", encode("A", b"first"), encode("B", &bytes));
        assert_eq!(find(&text, |label| label == "B"), Some(bytes));
        assert_eq!(find(&text, |label| label == "A").as_deref(), Some(&b"first"[..]));
        assert_eq!(find(&text, |label| label == "C"), None);
        assert_eq!(find("-----BEGIN A-----\nZg==\n", |label| label == "A"), None, "unfinished");
    }
}

//! What the kernel dropped because a socket's buffer was full, by the kernel's own count (`/proc/net/udp`, last column).

use std::collections::BTreeSet;
use std::{fs, io};

/// The sum over all UDP sockets that are bound to `ports`.
pub(crate) fn drops(ports: &BTreeSet<u16>) -> io::Result<u64> {
    let mut sum = 0;
    for table in ["/proc/net/udp", "/proc/net/udp6"] {
        match fs::read_to_string(table) {
            Ok(text) => sum += text.lines().filter_map(|line| drops_of(line, ports)).sum::<u64>(),
            // A kernel without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sum)
}

/// `sl local_address:port remote_address:port … drops`, addresses and ports in hexadecimal.
fn drops_of(line: &str, ports: &BTreeSet<u16>) -> Option<u64> {
    let local = line.split_ascii_whitespace().nth(1)?;
    let port = u16::from_str_radix(local.rsplit(':').next()?, 16).ok()?;
    let drops = line.split_ascii_whitespace().next_back()?.parse().ok()?;
    ports.contains(&port).then_some(drops)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernels_table() {
        let line = " 1234: 0100007F:1F40 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 \
                    777 2 0000000000000000 42";
        assert_eq!(drops_of(line, &BTreeSet::from([8000])), Some(42));
        assert_eq!(drops_of(line, &BTreeSet::from([8001])), None);
        assert_eq!(drops_of("  sl  local_address rem_address   st", &BTreeSet::from([8000])), None);
    }
}

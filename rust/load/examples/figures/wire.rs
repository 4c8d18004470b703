//! Peers at the far end of a network of two: sockets in another namespace, and media that its end drops unread.
//!
//! The script has made the namespace, sets the rule that drops, and reads its counter; it is asked over standard output and
//! answers over standard input, a line each.

use std::fs::File;
use std::io::stdin;
use std::net::IpAddr;
use std::str::FromStr;

use nix::sched::{CloneFlags, setns};

/// IP and UDP, once a message however many datagrams it holds: nobody has cut it yet.
const HEADERS: u64 = 28;

/// `HOST,ADDRESS,NAMESPACE`: the server's address, the peers', and the name under `/run/netns`.
pub(crate) struct Wire {
    pub(crate) host: IpAddr,
    pub(crate) address: IpAddr,
    namespace: String,
}

impl Wire {
    /// Sockets that this thread makes from now on lie at the far end.
    pub(crate) fn enter(&self) {
        let handle = File::open(format!("/run/netns/{}", self.namespace)).expect("the namespace is there");
        setns(handle, CloneFlags::CLONE_NEWNET).expect("it may be entered");
    }
}

impl FromStr for Wire {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let [host, address, namespace] = text.split(',').collect::<Vec<_>>()[..] else { return Err(()) };
        let ip = |text: &str| text.parse().map_err(|_| ());
        Ok(Self { host: ip(host)?, address: ip(address)?, namespace: namespace.into() })
    }
}

/// Media to these ports is dropped from now on.
pub(crate) fn drop_media_of(ports: impl Iterator<Item = u16>) {
    let ports: Vec<String> = ports.map(|port| port.to_string()).collect();
    ask(&format!("drop {}", ports.join(" ")));
}

/// Bytes of the datagrams that were dropped up to now.
pub(crate) fn dropped_bytes() -> u64 {
    let answer = ask("dropped");
    let numbers: Vec<u64> = answer.split_ascii_whitespace().map(|word| word.parse().expect("a count")).collect();
    let [messages, bytes] = numbers[..] else { panic!("messages and bytes, not {answer}") };
    bytes - messages * HEADERS
}

fn ask(question: &str) -> String {
    println!("ask {question}");
    let mut answer = String::new();
    stdin().read_line(&mut answer).expect("the script answers");
    answer
}

//! One publisher of clips on a thread of its own: what a room without cameras shows.
//!
//! Its offer is there from the start; once it has the server's answer it connects and publishes until it is closed, or the
//! server closes it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::ControlFlow;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sfu_peer::{ClipSource, PeerConfig, PeerEvent, SdpError};
use sfu_transport::{Certificate, CertificateError};
use thiserror::Error;

use crate::config::SwarmConfig;
use crate::swarm::{PeerId, Swarm, Waker};

/// Between looks at whether anything happened; the waker and the peer's timers come in between.
const TURN: Duration = Duration::from_secs(1);
/// Only feedback comes back.
const RECEIVE_BUFFER: usize = 256 << 10;

/// Why there is no publisher, or why it does not publish.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PublisherError {
    /// A socket, the randomness or the thread.
    #[error("a publisher cannot start: {0}")]
    System(#[from] io::Error),
    /// It has no identity.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The answer cannot be followed.
    #[error("the answer: {0}")]
    Answer(#[from] SdpError),
    /// It was closed, or the server closed it.
    #[error("the publisher is closed")]
    Closed,
}

/// A running publisher. Dropping it closes it.
#[derive(Debug)]
pub struct Publisher {
    offer: String,
    orders: mpsc::Sender<Order>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

/// What the thread is told.
#[derive(Debug)]
enum Order {
    Answer(String, mpsc::Sender<Result<(), SdpError>>),
    Close,
}

impl Publisher {
    /// Starts the thread, on a socket from which `server` can be reached.
    pub fn start(server: SocketAddr, source: ClipSource) -> Result<Self, PublisherError> {
        let (orders, inbox) = mpsc::channel();
        let (ready, started) = mpsc::channel();
        // A peer stays on the thread on which it was made.
        let run = move || match Publishing::start(server, source) {
            Ok((publishing, offer, waker)) => {
                if ready.send(Ok((offer, waker))).is_ok() {
                    publishing.run(&inbox);
                }
            }
            // The receiver waits for it.
            Err(error) => drop(ready.send(Err(error))),
        };
        let thread = thread::Builder::new().name("sfu-publisher".into()).spawn(run)?;
        let (offer, waker) = started.recv().map_err(|_| PublisherError::Closed)??;
        Ok(Self { offer, orders, waker, thread: Some(thread) })
    }

    /// SDP for the server.
    pub fn offer(&self) -> &str {
        &self.offer
    }

    /// Takes the server's answer: publishing begins.
    pub fn answer(&self, sdp: String) -> Result<(), PublisherError> {
        let (verdict, answered) = mpsc::channel();
        self.tell(Order::Answer(sdp, verdict))?;
        Ok(answered.recv().map_err(|_| PublisherError::Closed)??)
    }

    /// Leaves as a closed page does and waits for the thread. Does nothing the second time.
    pub fn close(&mut self) {
        // The thread may have ended by itself.
        let _ = self.tell(Order::Close);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    fn tell(&self, order: Order) -> Result<(), PublisherError> {
        self.orders.send(order).map_err(|_| PublisherError::Closed)?;
        Ok(self.waker.wake()?)
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.close();
    }
}

/// What lives on the thread.
struct Publishing {
    swarm: Swarm,
    peer: PeerId,
}

impl Publishing {
    fn start(server: SocketAddr, source: ClipSource) -> Result<(Self, String, Waker), PublisherError> {
        let certificate = Arc::new(Certificate::generate()?);
        let mut seed = [0; 32];
        aws_lc_rs::rand::fill(&mut seed).map_err(|_| io::Error::other("no randomness"))?;
        let ip = local_ip_towards(server)?;
        let mut swarm = Swarm::new(SwarmConfig { receive_buffer: RECEIVE_BUFFER, ..SwarmConfig::new(ip) })?;
        let peer = swarm.add(|local| PeerConfig {
            seed,
            remote: Some(server),
            clips: vec![source],
            ..PeerConfig::new(0, local, certificate)
        })?;
        let offer = swarm.with(peer, |_, peer, _| peer.create_offer()).ok_or(PublisherError::Closed)?;
        let waker = swarm.waker()?;
        Ok((Self { swarm, peer }, offer, waker))
    }

    fn run(mut self, inbox: &mpsc::Receiver<Order>) {
        while self.turn().is_continue() && self.obey(inbox).is_continue() {}
    }

    fn turn(&mut self) -> ControlFlow<()> {
        if let Err(error) = self.swarm.turn(TURN) {
            log::error!("a publisher stops: {error}");
            return ControlFlow::Break(());
        }
        while let Some((_, event)) = self.swarm.poll_event() {
            if matches!(event, PeerEvent::Closed(_) | PeerEvent::ConsentLost) {
                log::debug!("a publisher ends: {event:?}");
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    fn obey(&mut self, inbox: &mpsc::Receiver<Order>) -> ControlFlow<()> {
        loop {
            match inbox.try_recv() {
                Ok(Order::Answer(sdp, verdict)) => {
                    let taken = self.swarm.with(self.peer, |now, peer, _| peer.receive_answer(now, &sdp));
                    // Nobody may wait for it any more.
                    let _ = verdict.send(taken.unwrap_or(Ok(())));
                }
                Ok(Order::Close) | Err(mpsc::TryRecvError::Disconnected) => {
                    self.swarm.close(self.peer);
                    return ControlFlow::Break(());
                }
                Err(mpsc::TryRecvError::Empty) => return ControlFlow::Continue(()),
            }
        }
    }
}

/// The address that this machine uses towards `server`. Nothing is sent: a UDP connect only asks the routing table.
fn local_ip_towards(server: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(server)?;
    Ok(socket.local_addr()?.ip())
}

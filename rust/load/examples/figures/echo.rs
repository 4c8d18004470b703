//! The least delay that there is: datagrams of the same sizes in the same frames, sent back by a thread that does nothing else.
//! With more than one destination each frame goes to all of them, one after the other, as one message that the kernel cuts.

use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg};
use nix::unistd::Pid;
use sfu_peer::Delays;
use sfu_runtime::datagrams::{ReceiveBuffers, stamp_arrivals};

use crate::Figures;
use crate::settings::Settings;

/// The echo looks as often whether it is over.
const PATIENCE: Duration = Duration::from_millis(100);
/// What is on its way comes within this time.
const SETTLE: Duration = Duration::from_millis(50);

pub(crate) fn echo(mut settings: Settings) -> Figures {
    let (size, frame, rate) = (settings.take("size", 1200), settings.take("frame", 1), settings.take("rate", 50));
    let (seconds, core): (u64, usize) = (settings.take("seconds", 5), settings.take("core", 0));
    let destinations = settings.take("destinations", 1);
    settings.finish();
    let far = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let near: Vec<UdpSocket> = (0..destinations).map(|_| near(&far)).collect();
    let over = Arc::new(AtomicBool::new(false));
    let echoing = thread::spawn({
        let echo =
            Echo { far, destinations: near.iter().map(|near| near.local_addr().unwrap()).collect(), size, frame };
        let over = Arc::clone(&over);
        move || echo.run(core, &over)
    });
    let delays = measure(&near, size, frame, Duration::from_secs(1) * frame as u32 / rate, seconds);
    over.store(true, Ordering::Relaxed);
    echoing.join().expect("the echo does not panic");
    let percentile = |share| delays.percentile(share).expect("something came back").as_micros() as f64;
    vec![("p50_us", percentile(0.5)), ("p99_us", percentile(0.99)), ("p999_us", percentile(0.999))]
}

fn near(far: &UdpSocket) -> UdpSocket {
    let near = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    near.connect(far.local_addr().unwrap()).unwrap();
    near.set_nonblocking(true).unwrap();
    stamp_arrivals(near.as_fd()).expect("the kernel stamps datagrams");
    near
}

/// Frames at their rate; from sending each datagram to the kernel's receive time of its echoes.
fn measure(near: &[UdpSocket], size: usize, frame: usize, period: Duration, seconds: u64) -> Delays {
    let (mut delays, mut buffers, mut datagram) = (Delays::default(), ReceiveBuffers::new(), vec![0; size]);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut due = Instant::now();
    while due < end {
        due += period;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        for _ in 0..frame {
            let sent = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            datagram[..16].copy_from_slice(&sent.as_nanos().to_be_bytes());
            near[0].send(&datagram).unwrap();
        }
        thread::sleep(SETTLE.min(period / 2));
        for near in near {
            while buffers.receive(near.as_fd()).unwrap() {
                record(&mut buffers, &mut delays);
            }
            record(&mut buffers, &mut delays);
        }
    }
    delays
}

fn record(buffers: &mut ReceiveBuffers, delays: &mut Delays) {
    for mut message in buffers.messages() {
        let came = message.stamp.expect("stamps were asked for");
        for datagram in message.datagrams() {
            let sent = u128::from_be_bytes(*datagram.first_chunk().expect("whole"));
            delays.record(came.saturating_sub(Duration::from_nanos(sent as u64)));
        }
    }
}

/// What sends back, and to whom.
struct Echo {
    far: UdpSocket,
    destinations: Vec<SocketAddr>,
    size: usize,
    frame: usize,
}

impl Echo {
    fn run(&self, core: usize, over: &AtomicBool) {
        let mut cores = CpuSet::new();
        cores.set(core).unwrap();
        sched_setaffinity(Pid::from_raw(0), &cores).expect("the core is there");
        self.far.set_read_timeout(Some(PATIENCE)).unwrap();
        let destinations: Vec<SockaddrStorage> = self.destinations.iter().map(|to| (*to).into()).collect();
        let mut buffer = vec![0; self.size * self.frame];
        while !over.load(Ordering::Relaxed) {
            // One that must come back alone does not wait for the others of its frame.
            let together = if destinations.len() == 1 { self.size } else { buffer.len() };
            let whole = buffer[..together].chunks_mut(self.size).all(|datagram| self.far.recv(datagram).is_ok());
            for to in destinations.iter().filter(|_| whole) {
                self.send(&buffer[..together], to);
            }
        }
    }

    /// Datagrams of one size, as one message.
    fn send(&self, datagrams: &[u8], to: &SockaddrStorage) {
        let size = self.size as u16;
        let cut = [ControlMessage::UdpGsoSegments(&size)];
        let control = if datagrams.len() > self.size { &cut[..] } else { &[] };
        sendmsg(self.far.as_raw_fd(), &[IoSlice::new(datagrams)], control, MsgFlags::empty(), Some(to)).unwrap();
    }
}

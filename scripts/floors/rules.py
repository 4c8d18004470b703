"""The floors themselves, as ARCHITECTURE.md draws them. A new crate or module gets its place here first."""

# Crate -> the crates of this workspace that it may depend on. Tests and examples (dev-dependencies) may also use
# `peer`, `sim` for its encoders, and `load` for peers over real sockets.
CRATES: dict[str, set[str]] = {
    "wire": set(),
    "transport": {"wire"},
    "congestion": {"wire"},
    "core": {"wire", "transport", "congestion"},
    "peer": {"wire", "transport", "congestion"},
    "runtime": {"wire", "transport", "congestion", "core"},
    # `load` brings peers to a server; in its tests the server lives in the same process.
    "load": {"wire", "transport", "congestion", "core", "peer", "runtime"},
    # `sim` runs a whole SFU in virtual time.
    "sim": {"wire", "transport", "congestion", "core", "peer"},
    # `limit` shares no line with the server that it is compared with.
    "limit": set(),
    # `fuzz` holds every parser's invariants, with the corpora.
    "fuzz": {"wire", "transport", "core", "sim"},
    "python": {"wire", "transport", "congestion", "core", "peer", "runtime", "load", "sim"},
}
FOR_TESTS = {"load", "peer", "sim"}

# No crate below `runtime` asks for the time, opens a socket or starts a thread: all of that is handed in.
SANS_IO = {"wire", "transport", "congestion", "core", "peer", "sim"}
FORBIDDEN_CRATES = {"async-std", "getrandom", "libc", "mio", "pyo3", "quinn-udp", "rand", "smol", "socket2", "tokio"}
FORBIDDEN_CODE = {
    r"\bInstant::now\b": "the time is an argument below `runtime`",
    r"\bSystemTime::now\b": "the time is an argument below `runtime`",
    r"\b(?:UdpSocket|TcpStream|TcpListener)\b": "sockets belong to `runtime`",
    r"\bthread::(?:spawn|sleep|Builder|scope)\b": "threads belong to `runtime`",
}
# The core is single-threaded state: nothing in it is shared, so nothing in it is locked.
FORBIDDEN_IN_CORE = {r"\b(?:Mutex|RwLock|Condvar)\b": "the core holds no locks"}

# Modules of python/sfu, lowest floor first. A module may import its own floor and those below; a folder stands for
# all in it.
PYTHON_FLOORS: list[set[str]] = [
    {"_core"},
    {
        "_arguments",
        "errors",
        "description",
        "layer",
        "member",
        "stats",
        "config",
        "_backend",
        "_emitter",
        "_hub",
        "_native",
        "_version",
    },
    {"_taps", "media"},  # frames of a track for the application; `media` is imported by those who use it
    {"channel", "track", "subscription"},
    {"events"},  # they carry what happened to the above, and sessions report them
    {"_channels", "_negotiation", "_sections", "_subscriptions"},  # what a session is made of
    {"session"},
    {"_occupancy", "_published"},  # what a room is made of
    {"room"},
    {"server"},
    {"cluster", "metrics", "record", "settings", "signaling", "testing", "tokens"},
    {"web"},
    {"demo"},
    {"_replay", "_torture", "load"},  # commands of their own files
    {"cli"},
    {"__main__"},
]
# The package's own face gathers names from everywhere; nobody inside imports it.
PYTHON_FACE = "sfu"

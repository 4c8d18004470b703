"""GStreamer's webrtcbin as a WHIP publisher or a WHEP viewer: client.py (publish|watch) URL.

Runs under the system's Python, whose `gi` is Debian's. Prints its state as one JSON object a line and leaves when its
standard input ends.
"""

import json
import sys
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402  (the versions are chosen first)

PUBLISH = """
    webrtcbin name=webrtc bundle-policy=max-bundle
    videotestsrc is-live=true pattern=ball ! video/x-raw,width=640,height=360,framerate=15/1 ! videoconvert
        ! vp8enc deadline=1 keyframe-max-dist=30 target-bitrate=500000 ! rtpvp8pay picture-id-mode=15-bit
        ! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! webrtc.
    audiotestsrc is-live=true wave=sine freq=440 ! audioconvert ! audioresample ! opusenc ! rtpopuspay
        ! application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! webrtc.
"""
WATCH = "webrtcbin name=webrtc bundle-policy=max-bundle"
WANTED = {
    "video": "application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000",
    "audio": "application/x-rtp,media=audio,encoding-name=OPUS,payload=97,clock-rate=48000,encoding-params=(string)2",
}
# Explicit decoders: `decodebin` stalls on live RTP.
DECODE = {
    "video": "rtpvp8depay ! vp8dec ! fakesink name=sink sync=false signal-handoffs=true",
    "audio": "rtpopusdepay ! opusdec ! fakesink name=sink sync=false signal-handoffs=true",
}


def say(**facts):
    print(json.dumps(facts), flush=True)


class Client:
    def __init__(self, role, url):
        self.url = url
        self.resource = None
        self.counts = {"video": 0, "audio": 0}
        self.offered = False
        self.failure = False
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.parse_launch(PUBLISH if role == "publish" else WATCH)
        self.webrtc = self.pipeline if role == "watch" else self.pipeline.get_by_name("webrtc")
        if role == "watch":
            self.pipeline = Gst.Pipeline()
            self.pipeline.add(self.webrtc)
        self.webrtc.connect("on-negotiation-needed", self.negotiate)
        self.webrtc.connect("notify::ice-gathering-state", self.gathered)
        self.webrtc.connect("notify::connection-state", self.state)
        self.webrtc.connect("pad-added", self.play)
        if role == "watch":
            for caps in WANTED.values():
                self.webrtc.emit(
                    "add-transceiver", GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY, Gst.Caps.from_string(caps)
                )
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.failed)

    def run(self):
        GLib.io_add_watch(sys.stdin.fileno(), GLib.IO_IN | GLib.IO_HUP, self.leave)
        GLib.timeout_add(200, self.report)
        self.pipeline.set_state(Gst.State.PLAYING)
        self.loop.run()
        if self.resource is not None:
            request = urllib.request.Request(self.resource, method="DELETE")
            with urllib.request.urlopen(request, timeout=5) as answer:
                say(deleted=answer.status)
        self.pipeline.set_state(Gst.State.NULL)

    def negotiate(self, webrtc):
        if not self.offered:
            self.offered = True
            webrtc.emit("create-offer", None, Gst.Promise.new_with_change_func(self.offer_made))

    def offer_made(self, promise):
        reply = promise.get_reply()  # owns the offer: it has to outlive its use
        self.webrtc.emit("set-local-description", reply.get_value("offer"), Gst.Promise.new())

    def gathered(self, webrtc, _):
        if webrtc.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            # Not from the streaming thread that brings this news: the exchange blocks.
            GLib.idle_add(self.exchange)

    def exchange(self):
        offer = self.webrtc.get_property("local-description").sdp.as_text()
        request = urllib.request.Request(
            self.url, data=offer.encode(), headers={"Content-Type": "application/sdp"}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                text = answer.read().decode()
                self.resource = urllib.parse.urljoin(self.url, answer.headers["Location"])
                say(status=answer.status)
        except urllib.error.HTTPError as error:
            self.fail(f"{error.code} {error.read().decode()} to this offer:\n{offer}")
            return False
        except OSError as error:
            self.fail(str(error))
            return False
        _, message = GstSdp.SDPMessage.new_from_text(text)
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        self.webrtc.emit("set-remote-description", description, Gst.Promise.new())
        return False

    def state(self, webrtc, _):
        say(state=webrtc.get_property("connection-state").value_nick)

    def play(self, _, pad):
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        kind = pad.get_current_caps().get_structure(0).get_string("media")
        sink = Gst.parse_bin_from_description(DECODE[kind], True)
        sink.get_by_name("sink").connect("handoff", self.decoded, kind)
        self.pipeline.add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))

    def decoded(self, sink, buffer, pad, kind):
        self.counts[kind] += 1

    def report(self):
        say(**self.counts)
        return True

    def failed(self, bus, message):
        self.fail(str(message.parse_error()))

    def fail(self, why):
        print(why, file=sys.stderr)
        self.failure = True
        self.loop.quit()

    def leave(self, *_):
        self.loop.quit()
        return False


if __name__ == "__main__":
    Gst.init(None)
    client = Client(*sys.argv[1:3])
    client.run()
    sys.exit(1 if client.failure else 0)

// werift as a WHEP viewer: node whep.mjs URL [ADDRESS], in the folder where the npm packages are installed.
// A WebRTC stack in TypeScript, with nothing in common with the others. Counts decrypted RTP packets and VP8 frames;
// prints its state as one JSON object a line and leaves when its input ends.
import { createRequire } from "node:module";

const { RTCPeerConnection, RTCRtpCodecParameters } = createRequire(`${process.cwd()}/`)("werift");
const [url, address] = process.argv.slice(2);
const facts = { video: 0, audio: 0, frames: 0, keyframes: 0 };
const say = (more) => console.log(JSON.stringify(more));

const pc = new RTCPeerConnection({
  codecs: {
    video: [
      new RTCRtpCodecParameters({
        mimeType: "video/VP8",
        clockRate: 90000,
        rtcpFeedback: [{ type: "nack" }, { type: "nack", parameter: "pli" }, { type: "goog-remb" }],
      }),
    ],
    audio: [new RTCRtpCodecParameters({ mimeType: "audio/opus", clockRate: 48000, channels: 2 })],
  },
  ...(address ? { iceAdditionalHostAddresses: [address] } : {}),
});
pc.connectionStateChange.subscribe((state) => say({ state }));
for (const kind of ["video", "audio"]) {
  const transceiver = pc.addTransceiver(kind, { direction: "recvonly" });
  transceiver.onTrack.subscribe((track) => {
    track.onReceiveRtp.subscribe((packet) => {
      facts[kind] += 1;
      if (kind === "video") {
        facts.frames += packet.header.marker ? 1 : 0;
        facts.keyframes += startsKeyframe(packet.payload) ? 1 : 0;
      }
    });
  });
}

// RFC 7741 §4.2: the payload descriptor's length, then the P bit (0 in a key frame) of the frame that starts here.
function startsKeyframe(payload) {
  let offset = 1;
  if ((payload[0] & 0x10) === 0 || (payload[0] & 0x07) !== 0) return false;
  if (payload[0] & 0x80) {
    const present = payload[offset++];
    if (present & 0x80) offset += payload[offset] & 0x80 ? 2 : 1;
    if (present & 0x40) offset += 1;
    if (present & 0x30) offset += 1;
  }
  return (payload[offset] & 0x01) === 0;
}

await pc.setLocalDescription(await pc.createOffer());
const answer = await fetch(url, {
  method: "POST",
  headers: { "Content-Type": "application/sdp" },
  body: pc.localDescription.sdp,
});
say({ status: answer.status });
if (!answer.ok) {
  console.error(await answer.text(), pc.localDescription.sdp);
  process.exit(1);
}
const resource = new URL(answer.headers.get("location"), url);
await pc.setRemoteDescription({ type: "answer", sdp: await answer.text() });

const reporting = setInterval(() => say(facts), 200);
process.stdin.resume();
process.stdin.on("end", async () => {
  clearInterval(reporting);
  say({ deleted: (await fetch(resource, { method: "DELETE" })).status });
  await pc.close();
  process.exit(0);
});

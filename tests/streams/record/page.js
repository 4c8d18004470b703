// The publisher of the recordings: a canvas that draws a frame counter which a program can read back, and things that move.
// The counter's cells are as `counter.py` beside this folder says.

const COLUMNS = 8;
const ROWS = 3;

class Picture {
  constructor({ width, height, frameRate }) {
    this.canvas = document.createElement("canvas");
    Object.assign(this.canvas, { width, height });
    document.body.append(this.canvas);
    this.context = this.canvas.getContext("2d");
    this.count = 0;
    this.draw();
    this.stream = this.canvas.captureStream(0);
    this.timer = setInterval(() => this.next(), 1000 / frameRate);
  }

  next() {
    this.count = (this.count + 1) % 4096;
    this.draw();
    this.stream.getVideoTracks()[0].requestFrame();
  }

  draw() {
    const { context, canvas: { width, height }, count } = this;
    context.fillStyle = "#808080";
    context.fillRect(0, 0, width, height);
    this.drawMotion();
    const proof = (count * 2741 + 1201) % 4096;
    const [cellWidth, cellHeight] = [width / COLUMNS, (height * 0.6) / ROWS];
    for (let cell = 0; cell < COLUMNS * ROWS; cell += 1) {
      const bit = cell < 12 ? (count >> (11 - cell)) & 1 : (proof >> (23 - cell)) & 1;
      context.fillStyle = bit ? "#ffffff" : "#000000";
      const [x, y] = [(cell % COLUMNS) * cellWidth, Math.floor(cell / COLUMNS) * cellHeight];
      context.fillRect(x, y, cellWidth + 1, cellHeight + 1);
    }
  }

  // The lower part: what an encoder has to work for.
  drawMotion() {
    const { context, canvas: { width, height }, count } = this;
    const top = height * 0.6;
    for (let shape = 0; shape < 6; shape += 1) {
      const angle = count / (7 + shape) + shape;
      const [x, y] = [width * (0.5 + 0.45 * Math.sin(angle)), top + (height - top) * (0.5 + 0.35 * Math.cos(angle * 1.3))];
      context.fillStyle = `hsl(${(shape * 60 + count * 2) % 360} 80% 50%)`;
      context.beginPath();
      context.arc(x, y, height / 14, 0, 2 * Math.PI);
      context.fill();
    }
  }
}

// encodings: as RTCRtpEncodingParameters; extensions: URIs that the browser would not offer by itself.
globalThis.publishPicture = async (name, { width, height, frameRate, codec, encodings, extensions }) => {
  const peer = globalThis.peers[name];
  const picture = new Picture({ width, height, frameRate });
  peer.picture = picture;
  const [track] = picture.stream.getVideoTracks();
  track.contentHint = "motion";
  const transceiver = peer.pc.addTransceiver(track, {
    direction: "sendonly", streams: [picture.stream], sendEncodings: encodings,
  });
  const all = RTCRtpSender.getCapabilities("video").codecs;
  const wanted = all.filter((one) => one.mimeType.toLowerCase() === `video/${codec}`.toLowerCase());
  if (wanted.length === 0) throw new Error(`this browser does not send ${codec}`);
  transceiver.setCodecPreferences([...wanted, ...all.filter((one) => one.mimeType.toLowerCase() === "video/rtx")]);
  const offered = transceiver.getHeaderExtensionsToNegotiate();
  for (const one of offered) {
    if (extensions.includes(one.uri)) one.direction = "sendrecv";
  }
  transceiver.setHeaderExtensionsToNegotiate(offered);
  return offered.map((one) => [one.uri, one.direction]);
};

globalThis.outbound = async (name) => {
  const stats = [...(await globalThis.peers[name].pc.getStats()).values()];
  return stats.filter((one) => one.type === "outbound-rtp").map((one) => ({
    rid: one.rid ?? null, active: one.active, frames: one.framesEncoded, width: one.frameWidth ?? 0, height: one.frameHeight ?? 0,
    mode: one.scalabilityMode ?? null, encoder: one.encoderImplementation ?? null, ssrc: one.ssrc,
    target: one.targetBitrate ?? 0, limit: one.qualityLimitationReason,
  }));
};

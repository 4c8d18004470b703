// The client of the interop tests, in whichever browser: named peers with one RTCPeerConnection each.
// Everything that crosses to Python is JSON; descriptions are complete (no trickling) unless a test asks for it.

class Peer {
  constructor(configuration = {}) {
    this.pc = new RTCPeerConnection({ bundlePolicy: "max-bundle", ...configuration });
    this.channels = new Map();
    this.elements = new Map(); // by mid
    this.pc.ontrack = (event) => this.play(event);
    this.pc.ondatachannel = (event) => this.adopt(event.channel);
  }

  // video: { width, height, frameRate, rids, codec (or several, the first is sent), mode }
  // audio: true or { codec, tone }
  async publish({ video = null, audio = false, display = false }) {
    const wanted = { video: video ? pick(video, ["width", "height", "frameRate"]) : false, audio: Boolean(audio) };
    let stream;
    if (audio?.tone) stream = this.tone(audio.tone);
    else if (display) stream = await navigator.mediaDevices.getDisplayMedia({ video: true });
    else stream = await navigator.mediaDevices.getUserMedia(wanted);
    for (const track of stream.getTracks()) {
      const init = { direction: "sendonly", streams: [stream] };
      if (track.kind === "video" && video?.rids) {
        init.sendEncodings = video.rids.map((rid, index) => ({
          rid,
          scaleResolutionDownBy: 2 ** (video.rids.length - 1 - index),
        }));
      }
      if (track.kind === "video" && video?.mode) {
        init.sendEncodings ??= [{}];
        for (const encoding of init.sendEncodings) encoding.scalabilityMode = video.mode;
      }
      const transceiver = this.pc.addTransceiver(track, init);
      const codec = track.kind === "video" ? video?.codec : audio?.codec;
      if (codec) preferCodecs(transceiver, [codec].flat(), track.kind);
    }
    return stream.getTracks().map((track) => ({ kind: track.kind, ...track.getSettings() }));
  }

  // The one that sends video.
  get camera() {
    return this.pc.getTransceivers().find((one) => one.sender.track?.kind === "video" || one.sender === this.emptied);
  }

  // Send nothing in the camera's place, or the camera again.
  async replace(back) {
    const { sender } = this.camera;
    this.emptied ??= sender;
    this.kept ??= sender.track;
    await sender.replaceTrack(back ? this.kept : null);
  }

  // A disabled track is sent as black pictures.
  enable(enabled) {
    this.camera.sender.track.enabled = enabled;
  }

  // Another of the negotiated codecs, without negotiation.
  async encode(name) {
    const { sender } = this.camera;
    const parameters = sender.getParameters();
    const [codec] = named(parameters.codecs, `video/${name}`);
    for (const encoding of parameters.encodings) encoding.codec = codec;
    await sender.setParameters(parameters);
  }

  // What the next offer puts first.
  prefer(names) {
    preferCodecs(this.camera, names);
  }

  // A voice that tests can tell from others, silent until `loud` is called; hertz.
  tone(frequency) {
    this.context = new AudioContext();
    this.gain = new GainNode(this.context, { gain: 0 });
    const source = new OscillatorNode(this.context, { frequency });
    const sink = new MediaStreamAudioDestinationNode(this.context, { channelCount: 1 });
    source.connect(this.gain).connect(sink);
    source.start();
    return sink.stream;
  }

  // How loud the tone is: 1 is full scale.
  loud(gain) {
    this.gain.gain.value = gain;
  }

  // The loudest frequency in each received audio track, in hertz; null in silence.
  listen() {
    this.context ??= new AudioContext();
    const heard = [];
    for (const [mid, element] of this.elements) {
      if (!element.analyser) {
        element.analyser = new AnalyserNode(this.context, { fftSize: 2048 });
        this.context.createMediaStreamSource(element.srcObject).connect(element.analyser);
      }
      const bins = new Float32Array(element.analyser.frequencyBinCount);
      element.analyser.getFloatFrequencyData(bins);
      const peak = bins.indexOf(Math.max(...bins));
      const frequency = (peak * this.context.sampleRate) / element.analyser.fftSize;
      heard.push({ mid, frequency: bins[peak] > -80 ? frequency : null });
    }
    return heard;
  }

  receive(kinds) {
    for (const kind of kinds) {
      this.pc.addTransceiver(kind, { direction: "recvonly" });
    }
  }

  async offer(options = {}) {
    await this.pc.setLocalDescription(await this.pc.createOffer(options));
    return await this.complete();
  }

  async accept(sdp) {
    await this.pc.setRemoteDescription({ type: "answer", sdp });
  }

  async answer(sdp) {
    await this.pc.setRemoteDescription({ type: "offer", sdp });
    await this.pc.setLocalDescription(await this.pc.createAnswer());
    return await this.complete();
  }

  async complete() {
    if (this.pc.iceGatheringState !== "complete") {
      await new Promise((resolve) => {
        this.pc.addEventListener("icegatheringstatechange", () => {
          if (this.pc.iceGatheringState === "complete") resolve();
        });
        // A gatherer that waits for an unreachable network must not hold up the test: what there is will do.
        setTimeout(resolve, 3000);
      });
    }
    return this.pc.localDescription.sdp;
  }

  play(event) {
    // One element for each track, not muted: Chromium reports no audio energy for a muted one.
    const element = document.createElement(event.track.kind);
    element.autoplay = true;
    element.playsInline = true;
    element.srcObject = new MediaStream([event.track]);
    document.body.append(element);
    element.play().catch(() => {});
    this.elements.set(event.transceiver.mid, element);
  }

  open(label, options = {}) {
    this.adopt(this.pc.createDataChannel(label, options));
  }

  adopt(channel) {
    channel.binaryType = "arraybuffer";
    const state = { channel, messages: [] };
    channel.onmessage = ({ data }) => state.messages.push(describe(data));
    this.channels.set(channel.label, state);
  }

  // A message whose bytes follow from its length: index modulo 251, so that the other side can check it.
  send(label, { text = null, length = 0 }) {
    const { channel } = this.channels.get(label);
    channel.send(text ?? Uint8Array.from({ length }, (_, index) => index % 251));
  }

  echo(label) {
    const { channel } = this.channels.get(label);
    channel.onmessage = ({ data }) => channel.send(data);
  }

  async close() {
    for (const sender of this.pc.getSenders()) sender.track?.stop();
    for (const element of this.elements.values()) element.remove();
    this.pc.close();
  }

  async report() {
    return await reportOf(this.pc, [...this.channels.values()]);
  }
}

// The parts of getStats that the tests look at, under the same names in every browser.
async function reportOf(pc, channels) {
  const stats = [...(await pc.getStats()).values()];
  const byId = new Map(stats.map((entry) => [entry.id, entry]));
  const of = (type) => stats.filter((entry) => entry.type === type);
  const codec = (entry) => byId.get(entry.codecId)?.mimeType ?? null;
  const transport = of("transport")[0];
  const pair = byId.get(transport?.selectedCandidatePairId) ?? of("candidate-pair").find((one) => one.selected);
  return {
    connection: pc.connectionState,
    signaling: pc.signalingState,
    cipher: transport?.srtpCipher ?? null,
    ufrag: transport?.iceLocalUsernameFragment ?? null,
    available: pair?.availableOutgoingBitrate ?? null,
    channels: channels.map(({ channel, messages }) => ({
      label: channel.label, state: channel.readyState, messages,
    })),
    inbound: of("inbound-rtp").map((entry) => ({
      kind: entry.kind, mid: entry.mid ?? null, codec: codec(entry), packets: entry.packetsReceived ?? 0,
      lost: entry.packetsLost ?? 0, frames: entry.framesDecoded ?? 0, width: entry.frameWidth ?? 0,
      height: entry.frameHeight ?? 0, freezes: entry.freezeCount ?? 0, plis: entry.pliCount ?? 0,
      nacks: entry.nackCount ?? 0, energy: entry.totalAudioEnergy ?? 0, keyframes: entry.keyFramesDecoded ?? 0,
      dropped: entry.framesDropped ?? 0, frozen: entry.totalFreezesDuration ?? 0,
      samples: entry.totalSamplesReceived ?? 0, concealed: entry.concealedSamples ?? 0,
      silent: entry.silentConcealedSamples ?? 0, concealments: entry.concealmentEvents ?? 0,
      bytes: entry.bytesReceived ?? 0,
      // Come whole, but not through the decoder: those that it refused, and for a moment those on their way.
      undecoded: (entry.framesReceived ?? 0) - (entry.framesDecoded ?? 0) - (entry.framesDropped ?? 0),
    })),
    outbound: of("outbound-rtp").map((entry) => ({
      kind: entry.kind, mid: entry.mid ?? null, rid: entry.rid ?? null, codec: codec(entry),
      packets: entry.packetsSent ?? 0, frames: entry.framesEncoded ?? 0, width: entry.frameWidth ?? 0,
      height: entry.frameHeight ?? 0, plis: entry.pliCount ?? 0, nacks: entry.nackCount ?? 0,
      keyframes: entry.keyFramesEncoded ?? 0, active: entry.active ?? true,
    })),
  };
}

function pick(object, names) {
  return Object.fromEntries(names.filter((name) => name in object).map((name) => [name, object[name]]));
}

function preferCodecs(transceiver, names, kind = "video") {
  const all = RTCRtpSender.getCapabilities(kind).codecs;
  const chosen = names.flatMap((name) => named(all, `${kind}/${name}`));
  // RTX repairs what was chosen, RED is around Opus.
  const kept = all.filter((codec) => ["video/rtx", "audio/opus"].includes(codec.mimeType.toLowerCase()));
  const beside = kept.filter((codec) => !chosen.includes(codec));
  transceiver.setCodecPreferences([...chosen, ...beside]);
}

function named(codecs, mime) {
  const found = codecs.filter((codec) => codec.mimeType.toLowerCase() === mime.toLowerCase());
  if (found.length === 0) throw new Error(`this browser does not send ${mime}`);
  return found;
}

function describe(data) {
  if (typeof data === "string") return { text: data };
  const bytes = new Uint8Array(data);
  return { length: bytes.length, intact: bytes.every((byte, index) => byte === index % 251) };
}

// Every connection of the page, whoever makes it: so the tests can look into pages that know nothing of them.
const connections = [];
globalThis.RTCPeerConnection = class extends globalThis.RTCPeerConnection {
  constructor(...rest) {
    super(...rest);
    connections.push(this);
  }
};
globalThis.pageReport = async () => {
  const pc = connections.findLast((one) => one.signalingState !== "closed");
  return pc ? await reportOf(pc, []) : { connection: "none", inbound: [], outbound: [], channels: [] };
};

globalThis.peers = {};
globalThis.makePeer = (name, configuration) => {
  globalThis.peers[name] = new Peer(configuration);
};

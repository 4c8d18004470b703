// One thing that a Client sends: a microphone, a camera, a screen. It outlives its connection: after a fresh join the
// same publication is sent again in a new section.

/** The rids of a camera, lowest first as docs/signaling.md counts layers, and what divides their size. */
const RIDS = [["l", 4], ["m", 2], ["h", 1]];

export class Publication {
  /** The section, once it is offered. Read-only for users. */
  transceiver = null;
  /** Whether the server has been told what the section is. */
  described = false;
  /** Resolves when the server has agreed to it. @type {Promise<void>} */
  answered = Promise.resolve();

  #client;
  #options;
  /** As they are when everything is sent. */
  #encodings = [];
  #sending = Promise.resolve();

  /**
   * Made by `Client.publish`.
   * @param {Client} client
   * @param {MediaStreamTrack} track
   * @param {object} options see `Client.publish`
   */
  constructor(client, track, options) {
    this.#client = client;
    this.#options = options;
    this.kind = track.kind;
    this.media = track;
    this.source = options.source ?? (track.kind === "video" ? "camera" : "microphone");
    this.muted = options.muted ?? false;
  }

  /** @returns {string | null} */
  get mid() {
    return this.transceiver?.mid ?? null;
  }

  /** The server's view of it (`track` of docs/signaling.md), when there is one. */
  get track() {
    const { session, tracks } = this.#client;
    return [...tracks.values()].find((one) => one.session === session && one.mid === this.mid) ?? null;
  }

  /** Tell the others that nothing is to be seen or heard now. @param {boolean} muted */
  setMuted(muted) {
    this.muted = muted;
    if (this.mid !== null) this.#client.send({ type: "mute", mid: this.mid, muted });
  }

  /** Send something else in its place, or nothing, without renegotiation. @param {MediaStreamTrack | null} track */
  async replace(track) {
    this.media = track;
    await this.transceiver?.sender.replaceTrack(track);
  }

  /**
   * Send these layers and the smallest, so that whoever comes next sees something at once; `null`: all.
   * @param {{rids: string[], layers: {spatial: number}[]} | null} wanted by simulcast encoding, and as all layers are counted
   */
  sendOnly(wanted) {
    // One after the other: a sender takes the parameters that it gave last.
    this.#sending = this.#sending.then(() => this.#activate(wanted)).catch(() => {});
  }

  async #activate(wanted) {
    const sender = this.transceiver?.sender;
    const parameters = sender?.getParameters();
    const encodings = parameters?.encodings ?? [];
    const before = JSON.stringify(encodings);
    if (encodings.length > 1) activate(encodings, wanted);
    else if (encodings.length === 1) reduce(encodings[0], this.#encodings[0], wanted);
    if (JSON.stringify(encodings) !== before) await sender.setParameters(parameters);
  }

  /** Stop sending; the media track itself is its owner's. @returns {Promise<void>} */
  unpublish() {
    return this.#client.unpublish(this);
  }

  /** The `publish` message. */
  describe() {
    this.described = true;
    return { type: "publish", mid: this.mid, source: this.source, name: this.#options.name ?? "", muted: this.muted };
  }

  /** Add its section to a connection. @param {RTCPeerConnection} pc */
  attach(pc) {
    this.described = false;
    const codec = this.#options.codec;
    this.#encodings = this.#options.encodings ?? defaultEncodings(this);
    this.transceiver = add(pc, this.media ?? this.kind, this.#encodings);
    if (codec && this.kind === "video") preferCodec(this.transceiver, codec);
  }
}

function add(pc, media, sendEncodings) {
  const init = { direction: "sendonly", ...(sendEncodings.length ? { sendEncodings } : {}) };
  try {
    return pc.addTransceiver(media, init);
  } catch {
    // A browser that knows no scalabilityMode refuses it; without it the same encodings have fewer temporal layers.
    const plain = sendEncodings.map(({ scalabilityMode, ...encoding }) => encoding);
    return pc.addTransceiver(media, { ...init, sendEncodings: plain });
  }
}

/** Three sizes for a camera, one for a screen; three temporal layers in each where the browser makes them. */
function defaultEncodings({ kind, source, media }) {
  if (kind === "audio") return [];
  const { width = 1280, height = 720 } = media?.getSettings() ?? {};
  // 1.7 Mbit/s at 720p; below it a pixel costs a little more (the exponent is libwebrtc's habit, not a law).
  const rate = (scale) => Math.round(1_700_000 * ((width * height) / 921_600 / scale ** 2) ** 0.75);
  const scalabilityMode = "L1T3";
  if (source === "screen") return [{ maxBitrate: 2_500_000, scalabilityMode }];
  return RIDS.map(([rid, scale]) => ({ rid, scaleResolutionDownBy: scale, maxBitrate: rate(scale), scalabilityMode }));
}

/** Simulcast: those that are wanted, and the smallest. */
function activate(encodings, wanted) {
  const scale = (encoding) => encoding.scaleResolutionDownBy ?? 1;
  const smallest = Math.max(...encodings.map(scale));
  for (const encoding of encodings) {
    encoding.active = wanted === null || wanted.rids.includes(encoding.rid) || scale(encoding) === smallest;
  }
}

/**
 * SVC: fewer spatial layers, each of the size that it had. What is below a wanted layer goes with it.
 * @param {RTCRtpEncodingParameters} encoding changed
 * @param {RTCRtpEncodingParameters | undefined} whole the same when everything is sent
 */
function reduce(encoding, whole, wanted) {
  const [, kind, spatials, temporals, rest] = /^([LS])([2-9])(T\d)(.*)$/.exec(whole?.scalabilityMode ?? "") ?? [];
  if (!kind || !encoding.scalabilityMode) return; // not SVC, or not in this browser
  const highest = wanted ? Math.max(0, ...wanted.layers.map((layer) => layer.spatial)) : Infinity;
  const count = Math.min(highest + 1, spatials);
  const ratio = rest.includes("h") ? 1.5 : 2;
  encoding.scalabilityMode = count > 1 ? `${kind}${count}${temporals}${rest}` : `L1${temporals}`;
  encoding.scaleResolutionDownBy = (whole.scaleResolutionDownBy ?? 1) * ratio ** (spatials - count);
}

function preferCodec(transceiver, name) {
  const named = (one) => one.mimeType.toLowerCase() === `video/${name}`.toLowerCase();
  const all = RTCRtpSender.getCapabilities("video").codecs;
  if (!all.some(named)) throw new Error(`this browser does not send ${name}`);
  transceiver.setCodecPreferences([...all.filter(named), ...all.filter((one) => !named(one))]);
}

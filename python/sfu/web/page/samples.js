// What the connection measures, per track: `getStats` twice, the difference over the time between. No elements here.

/**
 * @typedef {object} Sample
 * @property {string | null} track
 * @property {string | null} identity
 * @property {string} source
 * @property {"in" | "out"} direction
 * @property {string} kind
 * @property {string} mid
 * @property {string | null} rid of an outgoing encoding
 * @property {string | null} codec
 * @property {number} width
 * @property {number} height
 * @property {number} fps
 * @property {number} bitrate bits per second
 * @property {number} loss share of the packets between the two looks, 0 to 1
 * @property {number} packets in total
 * @property {number} lost in total
 * @property {number} frames decoded or encoded in total
 * @property {number} energy total audio energy
 * @property {number | null} jitter seconds
 * @property {number | null} rtt seconds
 * @property {{spatial: number, temporal: number} | null} layer
 */

export class Sampler {
  #client;
  #before = new Map();

  /** @param {import("./sfu.js").Client} client */
  constructor(client) {
    this.#client = client;
  }

  /** @returns {Promise<Sample[]>} rates are since the last call */
  async sample() {
    const { pc } = this.#client;
    if (!pc) return [];
    const entries = [...(await pc.getStats()).values()];
    if (this.#client.pc !== pc) return []; // it ended meanwhile
    const byId = new Map(entries.map((one) => [one.id, one]));
    const streams = entries.filter((one) => one.type === "inbound-rtp" || one.type === "outbound-rtp");
    const samples = streams.map((one) => this.#one(one, byId, entries));
    this.#before = new Map(streams.map((one) => [one.id, one]));
    return samples.filter((one) => one !== null);
  }

  #one(entry, byId, entries) {
    const inward = entry.type === "inbound-rtp";
    const mid = entry.mid ?? this.#midOf(entry, byId);
    const owner = inward ? this.#received(mid) : this.#sent(mid);
    if (!owner) return null; // a section that carries nothing now
    const before = this.#before.get(entry.id);
    const seconds = before ? (entry.timestamp - before.timestamp) / 1000 : 0;
    const grown = (name) => (entry[name] ?? 0) - (before?.[name] ?? 0);
    const per = (count) => (seconds > 0 ? Math.max(0, count) / seconds : 0);
    const remote = byId.get(entry.remoteId) ?? {};
    const packets = entry.packetsReceived ?? entry.packetsSent ?? 0;
    const lost = Math.max(0, grown("packetsLost"));
    const arrived = grown("packetsReceived");
    const pair = entries.find((one) => one.type === "candidate-pair" && one.nominated && one.currentRoundTripTime);
    return {
      ...owner,
      direction: inward ? "in" : "out",
      kind: entry.kind,
      mid,
      rid: entry.rid ?? null,
      codec: byId.get(entry.codecId)?.mimeType?.split("/")[1] ?? null,
      width: entry.frameWidth ?? 0,
      height: entry.frameHeight ?? 0,
      fps: entry.framesPerSecond ?? 0,
      bitrate: 8 * per(grown(inward ? "bytesReceived" : "bytesSent")),
      loss: inward ? (lost + arrived > 0 ? lost / (lost + arrived) : 0) : (remote.fractionLost ?? 0),
      packets,
      lost: (inward ? entry.packetsLost : remote.packetsLost) ?? 0,
      frames: entry.framesDecoded ?? entry.framesEncoded ?? 0,
      energy: entry.totalAudioEnergy ?? 0,
      jitter: (inward ? entry.jitter : remote.jitter) ?? null,
      rtt: remote.roundTripTime ?? pair?.currentRoundTripTime ?? null,
      layer: inward ? (this.#client.subscriptions.get(owner.track)?.layer ?? null) : null,
    };
  }

  /** For browsers whose statistics name no section. */
  #midOf(entry, byId) {
    const id = entry.trackIdentifier ?? byId.get(entry.mediaSourceId)?.trackIdentifier;
    const inward = entry.type === "inbound-rtp";
    return this.#client.pc.getTransceivers().find((one) => (inward ? one.receiver : one.sender).track?.id === id)?.mid ?? null;
  }

  #received(mid) {
    const subscription = [...this.#client.subscriptions.values()].find((one) => one.mid === mid);
    const track = subscription && this.#client.tracks.get(subscription.track);
    return track ? { track: track.track, identity: track.identity, source: track.source } : null;
  }

  #sent(mid) {
    const publication = [...this.#client.publications].find((one) => one.mid === mid);
    if (!publication) return null;
    return { track: publication.track?.track ?? null, identity: this.#client.identity, source: publication.source };
  }
}

const kilo = (bits) => (bits >= 995_000 ? `${(bits / 1e6).toFixed(2)} Mbit/s` : `${Math.round(bits / 1000)} kbit/s`);
const milli = (seconds) => `${Math.round(seconds * 1000)} ms`;

/**
 * The lines of a tile's overlay.
 * @param {Sample[]} samples of one video track: one, or an encoding each
 * @param {Sample | undefined} audio of the same person
 * @param {object | null} track
 * @returns {[string, string][]} names and values
 */
export function describe(samples, audio, track) {
  const flowing = samples.filter((one) => one.bitrate > 0 || one.frames > 0);
  const lines = [];
  const largest = flowing.reduce((a, b) => (b.height > (a?.height ?? 0) ? b : a), null);
  if (largest) {
    lines.push(["Picture", `${largest.width}×${largest.height}, ${Math.round(largest.fps)} fps`]);
    lines.push(["Rate", kilo(flowing.reduce((sum, one) => sum + one.bitrate, 0))]);
    lines.push(["Loss", `${(100 * largest.loss).toFixed(1)} %`]);
    lines.push(["Layer", layerText(largest, flowing, track)]);
    const codec = [largest.codec, largest.rtt !== null && `RTT ${milli(largest.rtt)}`].filter(Boolean).join(", ");
    lines.push(["Codec", codec]);
  }
  if (audio) lines.push(["Sound", `${kilo(audio.bitrate)}, ${(100 * audio.loss).toFixed(1)} % lost`]);
  return lines.length ? lines : [["", "Nothing is flowing"]];
}

function layerText(largest, flowing, track) {
  if (largest.direction === "out") {
    const sending = flowing.filter((one) => one.rid && one.bitrate > 0).sort((a, b) => a.height - b.height);
    const rids = sending.map((one) => one.rid);
    return rids.length ? `sending ${rids.join(" ")}` : "one encoding";
  }
  if (!largest.layer) return "–";
  const { spatial, temporal } = largest.layer;
  return `${spatial + 1} of ${Math.max(track?.layers ?? 1, spatial + 1)}, T${temporal}`;
}

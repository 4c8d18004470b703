// The client of an SFU room for any page: `import { Client } from "./sfu.js"`. One WebSocket (docs/signaling.md), one
// RTCPeerConnection, no document. It shows what the server says and decides nothing: `participants`, `tracks` and
// `subscriptions` are the server's own objects. A lost WebSocket is resumed; a lost session is joined again.

import { Emitter } from "./emitter.js";
import { Link, RequestError } from "./link.js";
import { Peer } from "./peer.js";
import { Publication } from "./publication.js";

export { Publication, RequestError };

/** Reasons of `closed` after which joining again is not rude. */
const COME_BACK = new Set(["timeout", "peer_closed"]);

/**
 * @typedef {"new" | "joining" | "joined" | "reconnecting" | "closed"} State
 * `reconnecting`: the WebSocket is lost; media may well go on.
 */

/**
 * One participant in one room.
 *
 * Events: `change` (anything below; at most once per task), `state` (State), `connection` (RTCPeerConnectionState),
 * `participant` ({what: "joined" | "updated" | "left", participant}), `track` ({what, track}), `subscription`
 * (subscription), `speakers` (list), `message` ({topic, data, from}), `channel` (RTCDataChannel), `error` (RequestError),
 * `unreachable` (no answer to `join` yet; tried again), `closed` ({reason, detail}).
 */
export class Client extends Emitter {
  /** @type {State} */
  state = "new";
  /** Who we are: `session` and `identity` after joining. */
  session = null;
  identity = null;
  permissions = { publish: true, subscribe: true, data: true, update: true, admin: false, sources: null };
  room = null;
  /** @type {Map<string, object>} by session */
  participants = new Map();
  /** @type {Map<string, object>} by track; our own too */
  tracks = new Map();
  /** @type {Map<string, object>} by track */
  subscriptions = new Map();
  /** Loudest first. @type {{session: string, identity: string, track: string, level: number}[]} */
  speakers = [];
  /** Who is heard in the audio sections that the loudest share: track by mid. */
  slots = new Map();
  /** @type {Set<Publication>} */
  publications = new Set();

  #join;
  #configuration;
  #link;
  #peer = null;
  #resume = null;
  #arrival = null;
  #changed = false;
  #hurry = () => this.#link.hurry();

  /**
   * @param {object} options
   * @param {string | URL} options.url of the WebSocket; http(s) is fine, so is a path relative to the page
   * @param {string} [options.room]
   * @param {string} [options.token]
   * @param {string} [options.identity]
   * @param {string} [options.name]
   * @param {string} [options.metadata]
   * @param {Record<string, string>} [options.attributes]
   * @param {boolean} [options.autoSubscribe]
   * @param {RTCConfiguration} [options.configuration]
   */
  constructor({ url, configuration = {}, autoSubscribe = true, ...join }) {
    super();
    const address = new URL(url, globalThis.location?.href);
    address.protocol = address.protocol.replace("http", "ws");
    this.#configuration = configuration;
    this.#join = { ...join, auto_subscribe: autoSubscribe };
    this.#link = new Link({
      url: address.href,
      hello: () => ({ ...this.#join, identity: this.#join.identity ?? this.identity, resume: this.#resume }),
      onMessage: (message, first) => this.#message(message, first),
      onRefused: (error) => this.#refused(error),
      onLost: () => this.#lost(),
    });
    globalThis.addEventListener?.("online", this.#hurry);
  }

  /** Join; publications made earlier are sent. Rejects with a RequestError when the server refuses. @returns {Promise<void>} */
  join() {
    this.#setState("joining");
    return new Promise((resolve, reject) => {
      this.#arrival = { resolve, reject };
      this.#link.connect();
    });
  }

  /** Leave for good; the others see it at once. */
  leave() {
    if (this.state === "closed" || this.state === "new") return;
    this.#link.send({ type: "leave" });
    this.#end({ reason: "left", detail: "" });
  }

  /** The connection, for statistics; `null` before joining. @returns {RTCPeerConnection | null} */
  get pc() {
    return this.#peer?.pc ?? null;
  }

  // What we send.

  /** Whether the token lets us send this. @param {string} source */
  mayPublish(source) {
    return this.permissions.publish && (this.permissions.sources?.includes(source) ?? true);
  }

  /**
   * Send a media track. `publication.answered` resolves when the server has agreed. Throws when the token forbids it.
   * @param {MediaStreamTrack} track
   * @param {object} [options]
   * @param {"microphone" | "camera" | "screen" | "screen_audio"} [options.source]
   * @param {string} [options.name]
   * @param {boolean} [options.muted]
   * @param {string} [options.codec] VP8, VP9, AV1, H264
   * @param {RTCRtpEncodingParameters[]} [options.encodings] instead of three for a camera and one for a screen
   * @returns {Publication}
   */
  publish(track, options = {}) {
    const publication = new Publication(this, track, options);
    if (!this.mayPublish(publication.source)) throw new RequestError("forbidden", `no ${publication.source} allowed`);
    if (this.#peer) publication.attach(this.#peer.pc);
    this.publications.add(publication);
    if (this.#peer) publication.answered = this.#peer.negotiate();
    return publication;
  }

  /** @param {Publication} publication */
  async unpublish(publication) {
    if (!this.publications.delete(publication) || !publication.transceiver) return;
    publication.transceiver.stop();
    await this.#peer?.negotiate();
  }

  // What we receive.

  /** What arrives of a track: a live MediaStreamTrack, or `null`. @param {string} track */
  media(track) {
    const slot = [...this.slots].find(([, heard]) => heard === track);
    const mid = this.subscriptions.get(track)?.mid ?? slot?.[0];
    if (mid == null || !this.pc) return null;
    return this.pc.getTransceivers().find((one) => one.mid === mid)?.receiver.track ?? null;
  }

  /** Not above this quality. @param {string} track @param {"auto" | "high" | "medium" | "low"} quality */
  setQuality(track, quality) {
    return this.request({ type: "set_layer", track, quality });
  }

  /** @param {string} track @param {{spatial: number, temporal: number} | null} layer */
  setLayer(track, layer) {
    return this.request({ type: "set_layer", track, layer });
  }

  /** Stop or go on receiving, without renegotiation. @param {string} track @param {boolean} paused */
  pause(track, paused = true) {
    return this.request({ type: "pause", track, paused });
  }

  /** @param {string} track @param {string} [quality] */
  subscribe(track, quality = "auto") {
    return this.request({ type: "subscribe", track, quality });
  }

  /** @param {string} track */
  unsubscribe(track) {
    return this.request({ type: "unsubscribe", track });
  }

  // Words.

  /** To everybody, or to some identities. @param {string} topic @param {any} data @param {string[]} [to] */
  say(topic, data, to) {
    return this.request({ type: "send", topic, data, ...(to ? { to } : {}) });
  }

  /** Change one's own name, metadata or attributes. @param {object} changes */
  update(changes) {
    return this.request({ ...changes, type: "update" });
  }

  /** A data channel to the server's application. @param {string} label @param {RTCDataChannelInit} [options] */
  openChannel(label, options) {
    const channel = this.#peer.pc.createDataChannel(label, options);
    if (!this.#peer.pc.sctp) this.#peer.negotiate().catch((error) => this.emit("error", error));
    return channel;
  }

  /** The server's view of this session (`SessionStats`). */
  async serverStats() {
    return (await this.request({ type: "stats" })).stats;
  }

  /** Any message of docs/signaling.md; resolves with its answer. @param {object} message @returns {Promise<object>} */
  request(message) {
    return this.#link.request(message);
  }

  /** The same without an answer. @param {object} message */
  send(message) {
    return this.#link.send(message);
  }

  // The connection's life.

  #setState(state) {
    if (this.state === state) return;
    this.state = state;
    this.emit("state", state);
    this.#change();
  }

  #lost() {
    for (const one of this.publications) one.described = false;
    if (this.state === "joining") this.emit("unreachable");
    else this.#setState("reconnecting");
  }

  #refused(error) {
    if (error.code === "resume_failed") {
      this.#afresh();
    } else if (this.#arrival) {
      this.#setState("closed");
      this.#arrival.reject(error);
      this.#arrival = null;
    } else {
      this.#end({ reason: error.code, detail: error.message });
    }
  }

  /** The session is gone, the wish to be here is not: a new one with all that was published. */
  #afresh() {
    this.#resume = null;
    this.#peer?.close();
    this.#peer = null;
    this.#setState("reconnecting");
    this.#link.connect();
  }

  #end(closed) {
    globalThis.removeEventListener?.("online", this.#hurry);
    this.#link.close();
    this.#peer?.close();
    this.#peer = null;
    this.#setState("closed");
    this.emit("closed", closed);
  }

  #connect(iceServers) {
    const configuration = { iceServers, ...this.#configuration };
    this.#peer = new Peer({
      configuration,
      send: (message) => this.send(message),
      describe: () =>
        [...this.publications].filter((one) => one.mid !== null && !one.described).map((one) => one.describe()),
      onSections: () => this.#change(),
      onChannel: (channel) => this.emit("channel", channel),
      onState: (state) => {
        this.emit("connection", state);
        this.#change();
      },
    });
    for (const publication of this.publications) publication.attach(this.#peer.pc);
    if (this.publications.size) this.#peer.negotiate().catch((error) => this.emit("error", error));
  }

  // What the server says.

  #message(message, first) {
    if (Object.hasOwn(Client.#NEWS, message.type)) Client.#NEWS[message.type](this, message, first);
  }

  /** What each message means; a type that is not here is skipped. */
  static #NEWS = {
    joined(client, message, first) {
      const { session, identity, permissions, room, resume, speakers } = message;
      Object.assign(client, { session, identity, permissions, room, speakers });
      client.#resume = resume;
      client.participants = new Map(message.participants.map((one) => [one.session, one]));
      client.tracks = new Map(message.tracks.map((one) => [one.track, one]));
      client.slots = new Map(message.audio_slots.map((one) => [one.mid, one.track]));
      client.subscriptions = new Map(message.subscriptions.map((one) => [one.track, one]));
      if (!client.#peer) client.#connect(message.ice_servers);
      else if (first) client.#peer.resume();
      for (const one of client.publications) one.sendOnly(null); // what was told meanwhile is not known
      client.#setState("joined");
      client.#arrival?.resolve();
      client.#arrival = null;
      client.#change();
    },
    offer: (client, message) => client.#peer.offered(message),
    answer: (client, message) => client.#peer.answered(message),
    sections_needed(client, { audio = 0, video = 0 }) {
      for (const [kind, count] of [["audio", audio], ["video", video]]) {
        for (let left = count; left > 0; left--) client.pc.addTransceiver(kind, { direction: "recvonly" });
      }
      client.#peer.negotiate().catch((error) => client.emit("error", error));
    },
    participant_joined(client, { participant }) {
      client.participants.set(participant.session, participant);
      client.emit("participant", { what: "joined", participant });
      client.#change();
    },
    participant_updated(client, { participant }) {
      if (!client.participants.has(participant.session)) return;
      client.participants.set(participant.session, participant);
      client.emit("participant", { what: "updated", participant });
      client.#change();
    },
    participant_left(client, { session }) {
      const participant = client.participants.get(session);
      client.participants.delete(session);
      for (const track of client.tracks.values()) {
        if (track.session === session) client.#forget(track.track);
      }
      if (participant) client.emit("participant", { what: "left", participant });
      client.#change();
    },
    track_published(client, { track }) {
      client.tracks.set(track.track, track);
      client.emit("track", { what: "published", track });
      client.#change();
    },
    track_updated(client, { track }) {
      if (!client.tracks.has(track.track)) return;
      client.tracks.set(track.track, track);
      client.emit("track", { what: "updated", track });
      client.#change();
    },
    track_unpublished(client, { track: id }) {
      const track = client.tracks.get(id);
      client.#forget(id);
      if (track) client.emit("track", { what: "unpublished", track });
      client.#change();
    },
    subscribed: (client, { subscription }) => client.#subscription(subscription.track, subscription),
    unsubscribed(client, { track, subscription }) {
      if (client.subscriptions.get(track)?.subscription === subscription) client.subscriptions.delete(track);
      client.#change();
    },
    subscription_failed: (client, { track, problem, codec }) => client.#subscription(track, { problem, codec }),
    layer_changed(client, { track, quality, after, reason }) {
      if (client.subscriptions.has(track)) client.#subscription(track, { quality, layer: after, reason });
    },
    layers_wanted(client, { track, rids, layers }) {
      [...client.publications].find((one) => one.track?.track === track)?.sendOnly({ rids, layers });
    },
    audio_slot(client, { mid, track }) {
      client.slots.set(mid, track);
      client.#change();
    },
    speakers(client, { speakers }) {
      client.speakers = speakers;
      client.emit("speakers", speakers);
      client.#change();
    },
    room_updated(client, { room }) {
      client.room = room;
      client.#change();
    },
    message: (client, { topic, data, from }) => client.emit("message", { topic, data, from }),
    connection(client, { state }) {
      if (state === "disconnected") client.#peer.restartIce();
    },
    closed(client, { reason, detail }) {
      if (COME_BACK.has(reason)) client.#afresh();
      else client.#end({ reason, detail });
    },
    error(client, { code, message, request }) {
      const error = new RequestError(code, message);
      if (code === "negotiation") client.#peer.refused(request, error);
      client.emit("error", error);
    },
  };

  #subscription(track, changes) {
    const subscription = { track, ...this.subscriptions.get(track), ...changes };
    this.subscriptions.set(track, subscription);
    this.emit("subscription", subscription);
    this.#change();
  }

  #forget(track) {
    this.tracks.delete(track);
    this.subscriptions.delete(track);
  }

  #change() {
    if (this.#changed) return;
    this.#changed = true;
    queueMicrotask(() => {
      this.#changed = false;
      this.emit("change");
    });
  }
}

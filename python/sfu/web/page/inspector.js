// `window.sfu`: what tests and the curious can ask the page. Answers are plain values.

import { called } from "./people.js";
import { Sampler } from "./samples.js";

export class Inspector {
  /** @type {import("./sfu.js").Client | null} */
  #client = null;
  #sampler = null;

  /** @param {import("./media.js").LocalMedia} media */
  constructor(media) {
    this.media = media;
  }

  /** The client in use, `null` outside a room. */
  get client() {
    return this.#client;
  }

  set client(client) {
    this.#client = client;
    this.#sampler = client && new Sampler(client);
  }

  /** Everything at once: state, people, tracks with their subscriptions, and measurements. */
  async report() {
    const client = this.#client;
    if (!client) return { state: "closed", connection: "closed", identity: null, participants: [], tracks: [], samples: [] };
    return {
      state: client.state,
      connection: client.pc?.connectionState ?? "new",
      identity: client.identity,
      participants: [...client.participants.values()],
      tracks: [...client.tracks.values()].map((track) => ({
        ...track, subscription: client.subscriptions.get(track.track) ?? null, live: client.media(track.track) !== null,
      })),
      speakers: client.speakers,
      samples: await this.#sampler.sample(),
    };
  }

  /** A participant's track. @param {string} who identity or name @param {string} [source] */
  track(who, source = "camera") {
    const { participants, tracks } = this.#client;
    const names = new Map([...participants.values()].map((one) => [one.identity, called(one)]));
    return [...tracks.values()].find((one) =>
      one.source === source && (one.identity === who || names.get(one.identity) === who)) ?? null;
  }

  /** Measurements of it: one per encoding for our own, one for theirs. @param {string} who @param {string} [source] */
  async stats(who, source = "camera") {
    const track = this.track(who, source);
    return track ? (await this.#sampler.sample()).filter((one) => one.track === track.track) : [];
  }
}

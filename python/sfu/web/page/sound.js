// What is heard: one audio element for each remote audio track. Browsers may wait for a click before they play.

import { Emitter } from "./emitter.js";
import { h } from "./dom.js";
import { memory } from "./query.js";

/** Events: `blocked` (true or false: a click is needed). */
export class Sound extends Emitter {
  #elements = new Map();
  #output = memory.get("audiooutput");
  #blocked = false;
  #host = h("div", { hidden: true });

  constructor() {
    super();
    document.body.append(this.#host);
  }

  static get outputPossible() {
    return "setSinkId" in HTMLMediaElement.prototype;
  }

  get output() {
    return this.#output;
  }

  /** @param {import("./sfu.js").Client} client */
  show(client) {
    const wanted = new Map();
    for (const track of client.tracks.values()) {
      const media = track.kind === "audio" && track.session !== client.session ? client.media(track.track) : null;
      if (media) wanted.set(track.track, media);
    }
    for (const [track, element] of this.#elements) {
      if (!wanted.has(track)) {
        element.srcObject = null;
        element.remove();
        this.#elements.delete(track);
      }
    }
    for (const [track, media] of wanted) this.#hear(track, media);
  }

  /** After a click. */
  unblock() {
    for (const element of this.#elements.values()) this.#play(element);
  }

  /** @param {string} deviceId */
  choose(deviceId) {
    this.#output = deviceId;
    memory.set("audiooutput", deviceId);
    for (const element of this.#elements.values()) element.setSinkId?.(deviceId).catch(() => {});
  }

  close() {
    for (const element of this.#elements.values()) element.srcObject = null;
    this.#elements.clear();
    this.#host.remove();
  }

  #hear(track, media) {
    let element = this.#elements.get(track);
    if (!element) {
      element = h("audio", { autoplay: true });
      if (this.#output) element.setSinkId?.(this.#output).catch(() => {}); // unplugged: the default will do
      this.#elements.set(track, element);
      this.#host.append(element);
    }
    if (element.srcObject?.getAudioTracks()[0] === media) return;
    element.srcObject = new MediaStream([media]);
    this.#play(element);
  }

  #play(element) {
    element.play().then(() => this.#tell(false), (error) => error.name === "NotAllowedError" && this.#tell(true));
  }

  #tell(blocked) {
    if (blocked === this.#blocked) return;
    this.#blocked = blocked;
    this.emit("blocked", blocked);
  }
}

// The one RTCPeerConnection of a Client: offers in both directions (JSEP, RFC 9429), one step after another.
// In a glare the client's offer wins: an offer that comes while ours is open is ignored, the server makes it again.
// Nothing is trickled: the server is ICE-lite and learns our addresses from the checks themselves.

/** Seconds of `disconnected` before ICE is restarted. Higher: rides out short gaps. Lower: a faster change of network. */
const GRACE = 2;

export class Peer {
  #send;
  #describe;
  #steps = Promise.resolve();
  #wanted = false;
  #asked = [];
  #answering = [];
  #offer = 0;
  #restart = 0;
  #restarted = 0;

  /**
   * @param {object} options
   * @param {RTCConfiguration} options.configuration
   * @param {(message: object) => void} options.send
   * @param {() => object[]} options.describe the `publish` messages that belong before the next offer
   * @param {() => void} options.onSections receivers may have changed
   * @param {(state: RTCPeerConnectionState) => void} options.onState
   * @param {(channel: RTCDataChannel) => void} options.onChannel
   */
  constructor({ configuration, send, describe, onSections, onState, onChannel }) {
    this.#send = send;
    this.#describe = describe;
    this.pc = new RTCPeerConnection({ bundlePolicy: "max-bundle", ...configuration });
    this.pc.ontrack = onSections;
    this.onSections = onSections;
    this.pc.ondatachannel = ({ channel }) => onChannel(channel);
    this.pc.onconnectionstatechange = () => {
      const state = this.pc.connectionState;
      clearTimeout(this.#restart);
      if (state === "failed") this.restartIce();
      if (state === "disconnected") this.#restart = setTimeout(() => this.restartIce(), GRACE * 1000);
      onState(state);
    };
  }

  /** Make an offer soon; calls at the same time share one. Resolves when it is answered. @returns {Promise<void>} */
  negotiate() {
    this.#wanted = true;
    const done = new Promise((resolve, reject) => this.#asked.push({ resolve, reject }));
    this.#step(() => this.#makeOffer());
    return done;
  }

  /** New ICE credentials, at most once in three seconds. */
  restartIce() {
    const now = performance.now();
    if (this.pc.connectionState === "closed" || (this.#restarted && now - this.#restarted < 3000)) return;
    this.#restarted = now;
    this.pc.restartIce();
    this.negotiate().catch(() => {}); // its failure shows as a connection that stays down
  }

  /** The WebSocket is new: say again what may have got lost. */
  resume() {
    this.#step(async () => {
      if (this.pc.signalingState === "have-local-offer") this.#sendOffer();
      else await this.#makeOffer();
    });
  }

  /** The server's `offer`. @param {{sdp: string, id: number, transport?: string}} offer */
  offered(offer) {
    this.#step(async () => {
      if (this.pc.signalingState !== "stable") return;
      await this.pc.setRemoteDescription({ type: "offer", sdp: offer.sdp });
      await this.pc.setLocalDescription();
      this.#send({ type: "answer", sdp: this.pc.localDescription.sdp, id: offer.id, transport: offer.transport });
      this.onSections();
      await this.#makeOffer();
    });
  }

  /** The server's `answer`. @param {{sdp: string, id: number}} answer */
  answered(answer) {
    this.#step(async () => {
      if (answer.id !== this.#offer || this.pc.signalingState !== "have-local-offer") return;
      await this.pc.setRemoteDescription({ type: "answer", sdp: answer.sdp });
      for (const one of this.#answering.splice(0)) one.resolve();
      this.onSections();
      await this.#makeOffer();
    });
  }

  /** The server refused our offer: go back to what both sides know. @param {string} request @param {Error} error */
  refused(request, error) {
    this.#step(async () => {
      if (request !== `offer ${this.#offer}` || this.pc.signalingState !== "have-local-offer") return;
      await this.pc.setLocalDescription({ type: "rollback" });
      for (const one of this.#answering.splice(0)) one.reject(error);
    });
  }

  close() {
    clearTimeout(this.#restart);
    this.pc.close();
    for (const one of [...this.#asked.splice(0), ...this.#answering.splice(0)]) one.reject(new Error("closed"));
  }

  async #makeOffer() {
    if (!this.#wanted || this.pc.signalingState !== "stable") return;
    this.#wanted = false;
    this.#answering.push(...this.#asked.splice(0));
    try {
      await this.pc.setLocalDescription();
    } catch (error) {
      for (const one of this.#answering.splice(0)) one.reject(error);
      throw error;
    }
    this.#sendOffer();
  }

  #sendOffer() {
    for (const message of this.#describe()) this.#send(message);
    this.#offer += 1;
    const { sdp } = this.pc.localDescription;
    this.#send({ type: "offer", sdp, id: this.#offer, request: `offer ${this.#offer}` });
  }

  #step(step) {
    this.#steps = this.#steps.then(step).catch((error) => {
      if (this.pc.signalingState !== "closed") console.error("negotiation:", error);
    });
  }
}

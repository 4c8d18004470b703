// What this person sends: microphone, camera, screen; from the first preview to the published track.
// A camera that is off is really off (its light goes out); a microphone that is muted stays open and sends silence.

import { Emitter } from "./emitter.js";
import { asked, memory } from "./query.js";

const SOUND = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

/** Names of what is captured, for sentences. */
const WHAT = { audioinput: "microphone", videoinput: "camera", screen: "screen" };

/** Why a device could not be had, in a sentence that says what to do. @param {Error} error @param {string} what */
export function explain(error, what) {
  switch (error.name) {
    case "NotAllowedError":
      return `The browser may not use the ${what}. Allow it next to the address, then try again.`;
    case "NotFoundError":
    case "OverconstrainedError":
      return `No ${what} was found.`;
    case "NotReadableError":
      return `The ${what} is in use by another program.`;
    case "InsecureContextError":
      return "Camera and microphone need https. You can still watch and listen.";
    default:
      return `The ${what} could not be started: ${error.message}`;
  }
}

/** Events: `change` (anything), `problem` (a sentence). */
export class LocalMedia extends Emitter {
  /** @type {MediaStreamTrack | null} */
  microphone = null;
  /** @type {MediaStreamTrack | null} */
  camera = null;
  /** @type {MediaStreamTrack | null} */
  screen = null;
  microphoneOn = false;
  cameraOn = false;
  /** @type {"user" | "environment"} */
  facing = "user";

  #client = null;
  #sent = new Map();
  #steps = Promise.resolve();
  #chosen = { audioinput: memory.get("audioinput"), videoinput: memory.get("videoinput") };

  /** Whether there is anything to ask (a page over plain http has no devices). */
  static get possible() {
    return Boolean(navigator.mediaDevices?.getUserMedia);
  }

  static get screenPossible() {
    return Boolean(navigator.mediaDevices?.getDisplayMedia);
  }

  /** Whether the camera that runs shows the person, so that its picture is mirrored for them. */
  get mirrored() {
    return this.facing === "user" && this.camera?.getSettings().facingMode !== "environment";
  }

  /** First use, one question for both. @param {{camera: boolean, microphone: boolean}} wanted */
  async start({ camera, microphone }) {
    if (!camera && !microphone) return;
    await this.#step(async () => {
      const both = { ...(microphone ? { audio: this.#audio() } : {}), ...(camera ? { video: this.#video() } : {}) };
      try {
        this.#keep(await capture(both));
      } catch (first) {
        if (!camera || !microphone) throw Object.assign(first, { what: camera ? "camera" : "microphone" });
        // One of the two may be missing: have the other.
        const singles = [["microphone", { audio: both.audio }], ["camera", { video: both.video }]];
        for (const [what, constraints] of singles) {
          await capture(constraints).then((stream) => this.#keep(stream), (error) => this.#complain(error, what));
        }
      }
      this.microphoneOn = this.microphone !== null;
      this.cameraOn = this.camera !== null;
    });
  }

  /** Send what is there, and what will be. @param {import("./sfu.js").Client} client */
  async attach(client) {
    this.#client = client;
    this.#sent.clear();
    for (const name of ["microphone", "camera"]) if (!client.mayPublish(name)) this.#letGo(name);
    await this.#step(() => Promise.all([
      this.#publish("microphone", this.microphone, !this.microphoneOn),
      this.#publish("camera", this.camera, !this.cameraOn),
    ]));
  }

  /** @param {boolean} on */
  setMicrophone(on) {
    return this.#step(async () => {
      if (on && !this.#allowed("microphone")) return;
      if (on && !this.microphone) this.#keep(await capture({ audio: this.#audio() }));
      if (this.microphone) this.microphone.enabled = on;
      this.microphoneOn = on && this.microphone !== null;
      await this.#publish("microphone", this.microphone, !on);
    }, "microphone");
  }

  /** @param {boolean} on */
  setCamera(on) {
    return this.#step(async () => {
      if (on && !this.#allowed("camera")) return;
      if (on && !this.camera) this.#keep(await capture({ video: this.#video() }));
      if (!on) this.#stop("camera");
      this.cameraOn = on;
      await this.#publish("camera", this.camera, !on);
    }, "camera");
  }

  /** @param {boolean} on */
  setScreen(on) {
    return this.#step(async () => {
      if (!on) return this.#stopScreen();
      if (this.screen || !this.#allowed("screen")) return;
      const stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { max: 30 } }, audio: true });
      const [video] = stream.getVideoTracks();
      const [audio] = stream.getAudioTracks();
      video.contentHint = "detail";
      this.screen = video;
      // The browser's own "stop sharing".
      video.addEventListener("ended", () => this.setScreen(false));
      await this.#publish("screen", video, false);
      if (audio && this.#client?.mayPublish("screen_audio")) await this.#publish("screen_audio", audio, false);
    }, "screen");
  }

  /** The other side of a phone. */
  flip() {
    this.facing = this.facing === "user" ? "environment" : "user";
    this.#chosen.videoinput = "";
    return this.#renewCamera();
  }

  /** @param {"audioinput" | "videoinput"} kind @param {string} deviceId */
  async choose(kind, deviceId) {
    this.#chosen[kind] = deviceId;
    memory.set(kind, deviceId);
    if (kind === "videoinput") return this.cameraOn ? this.#renewCamera() : undefined;
    if (!this.microphone) return undefined;
    return this.#step(async () => {
      this.#stop("microphone");
      this.#keep(await capture({ audio: this.#audio() }));
      this.microphone.enabled = this.microphoneOn;
      await this.#publish("microphone", this.microphone, !this.microphoneOn);
    }, "microphone");
  }

  /** The devices of a kind, once the browser tells their names. @param {MediaDeviceKind} kind */
  async devices(kind) {
    const all = LocalMedia.possible ? await navigator.mediaDevices.enumerateDevices() : [];
    return all.filter((one) => one.kind === kind && one.deviceId);
  }

  /** The device in use. @param {"audioinput" | "videoinput"} kind */
  current(kind) {
    const track = kind === "audioinput" ? this.microphone : this.camera;
    return track?.getSettings().deviceId ?? this.#chosen[kind];
  }

  /** Let go of every device. */
  close() {
    this.#client = null;
    for (const name of ["microphone", "camera"]) this.#letGo(name);
    this.#stop("screen");
    this.#sent.clear();
    this.emit("change");
  }

  /** Before joining everything is; afterwards the token says. */
  #allowed(source) {
    return this.#client?.mayPublish(source) ?? true;
  }

  #renewCamera() {
    return this.#step(async () => {
      this.#stop("camera"); // a phone opens one camera at a time
      this.#keep(await capture({ video: this.#video() }));
      this.cameraOn = true;
      await this.#publish("camera", this.camera, false);
    }, "camera");
  }

  #audio() {
    return { ...SOUND, ...(this.#chosen.audioinput ? { deviceId: { ideal: this.#chosen.audioinput } } : {}) };
  }

  #video() {
    const { width = 1280, height = 720, fps = 30 } = asked;
    const device = this.#chosen.videoinput;
    return {
      width: { ideal: width },
      height: { ideal: height },
      frameRate: { ideal: fps, max: fps },
      ...(device ? { deviceId: { ideal: device } } : { facingMode: this.facing }),
    };
  }

  #keep(stream) {
    for (const track of stream.getTracks()) {
      const name = track.kind === "audio" ? "microphone" : "camera";
      this[name]?.stop();
      this[name] = track;
      track.addEventListener("ended", () => this[name] === track && this.#unplugged(name));
    }
  }

  #unplugged(name) {
    this.emit("problem", `The ${name} has gone.`);
    this.#stop(name);
    if (name === "camera") this.setCamera(false);
    else this.setMicrophone(false);
  }

  #letGo(name) {
    this.#stop(name);
    this[`${name}On`] = false;
  }

  #stop(name) {
    this[name]?.stop();
    this[name] = null;
  }

  async #stopScreen() {
    this.#stop("screen");
    for (const name of ["screen", "screen_audio"]) {
      const publication = this.#sent.get(name);
      this.#sent.delete(name);
      publication?.media?.stop();
      publication?.unpublish().catch(() => {}); // it ends with the connection at the latest
    }
  }

  async #publish(source, track, muted) {
    const publication = this.#sent.get(source);
    if (publication) {
      if (publication.media !== track) await publication.replace(track);
      if (publication.muted !== muted) publication.setMuted(muted);
    } else if (track && this.#client?.mayPublish(source)) {
      const fresh = this.#client.publish(track, { source, muted, codec: asked.codec });
      this.#sent.set(source, fresh);
      fresh.answered.catch((error) => this.emit("problem", `The ${WHAT[source] ?? source} is not sent: ${error.message}`));
    }
  }

  #step(step, what) {
    const done = this.#steps.then(step).catch((error) => this.#complain(error, what ?? error.what ?? "camera"));
    this.#steps = done.then(() => this.emit("change"));
    return this.#steps;
  }

  #complain(error, what) {
    // Closing the browser's own picker is a decision, not a problem.
    if (what === "screen" && error.name === "NotAllowedError") return;
    this.emit("problem", explain(error, WHAT[what] ?? what));
  }
}

function capture(constraints) {
  if (!LocalMedia.possible) {
    return Promise.reject(Object.assign(new Error("not a secure context"), { name: "InsecureContextError" }));
  }
  return navigator.mediaDevices.getUserMedia(constraints);
}

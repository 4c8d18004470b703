// The screen before joining: a name, a room, one's own picture, and the devices.

import { DeviceChoice } from "./devices.js";
import { h } from "./dom.js";
import { LocalMedia, explain } from "./media.js";
import { asked, freshRoom, memory } from "./query.js";
import { toggle } from "./controls.js";
import { initialsOf } from "./tile.js";

export class Lobby {
  #media;
  #onJoin;
  #choice;
  #stop;
  #meter;
  #video = h("video", { autoplay: true, playsinline: true });
  #initials = h("span", { class: "initials" });
  #level = h("span", { class: "level", "aria-hidden": "true" });
  #hint = h("p", { class: "preview-hint" });
  #error = h("p", { class: "form-error", role: "alert" });
  #name = h("input", { id: "name", autocomplete: "name", maxlength: "64", required: true, placeholder: "How others see you" });
  #room = h("input", { id: "room", autocomplete: "off", autocapitalize: "none", spellcheck: "false", maxlength: "128", required: true });
  #button = h("button", { class: "primary", type: "submit" }, "Join");
  #microphone = toggle("mic", "Microphone", () => this.#media.setMicrophone(!this.#media.microphoneOn));
  #camera = toggle("camera", "Camera", () => this.#media.setCamera(!this.#media.cameraOn));

  /**
   * @param {LocalMedia} media
   * @param {import("./sound.js").Sound} sound
   * @param {(answers: {name: string, room: string}) => Promise<void>} onJoin rejects with what is wrong
   */
  constructor(media, sound, onJoin) {
    this.#media = media;
    this.#onJoin = onJoin;
    this.#video.muted = true;
    this.#name.value = asked.name || memory.get("name");
    this.#room.value = asked.room || freshRoom();
    this.#name.addEventListener("input", () => this.#show());
    this.#choice = new DeviceChoice(media, sound);
    this.element = h("div", { class: "lobby" },
      h("section", { class: "preview", "aria-label": "Your picture" },
        h("div", { class: "picture" }, h("div", { class: "avatar" }, this.#initials), this.#video, this.#hint,
          h("div", { class: "preview-controls" }, this.#microphone.element, this.#camera.element, this.#level))),
      h("form", { class: "card", onsubmit: (event) => this.#submit(event) },
        h("div", { class: "brand" }, h("img", { src: "icon.svg", alt: "", width: "28", height: "28" }), "sfu"),
        h("h1", {}, "Ready to join?"),
        h("label", { for: "name" }, "Your name"), this.#name,
        h("label", { for: "room" }, "Room"), this.#room,
        ...(LocalMedia.possible ? [h("p", { class: "legend" }, "Devices"), this.#choice.element] : []),
        this.#button, this.#error));
    this.#stop = media.on("change", () => this.#show());
    this.#show();
  }

  /** Ask for the devices and show them. */
  async open() {
    (this.#name.value ? this.#button : this.#name).focus({ preventScroll: true });
    if (LocalMedia.possible) await this.#media.start({ camera: asked.video, microphone: asked.audio });
    else this.say(explain({ name: "InsecureContextError" }, "camera"));
    this.#show();
  }

  /** @param {string} text what went wrong */
  say(text) {
    this.#error.textContent = text;
  }

  close() {
    this.#stop();
    this.#choice.close();
    this.#meter?.close();
    this.#video.srcObject = null;
    this.element.remove();
  }

  async #submit(event) {
    event.preventDefault();
    this.#button.disabled = true;
    this.#button.textContent = "Joining…";
    this.say("");
    try {
      await this.#onJoin({ name: this.#name.value.trim(), room: this.#room.value.trim() });
    } catch (error) {
      this.say(error.message);
      this.#button.disabled = false;
      this.#button.textContent = "Join";
    }
  }

  #show() {
    const media = this.#media;
    const picture = this.#video.srcObject?.getVideoTracks()[0] ?? null;
    if (picture !== media.camera) this.#video.srcObject = media.camera && new MediaStream([media.camera]);
    this.#video.classList.toggle("mirrored", media.mirrored);
    this.#video.hidden = !media.camera;
    this.#initials.textContent = initialsOf(this.#name.value || "?");
    this.#hint.textContent = media.camera ? "" : "Your camera is off";
    this.#microphone.show(media.microphoneOn);
    this.#camera.show(media.cameraOn);
    this.#listen(media.microphoneOn ? media.microphone : null);
  }

  #listen(microphone) {
    if (this.#meter?.track === microphone) return;
    this.#meter?.close();
    this.#meter = microphone ? new Meter(microphone, (level) => this.#level.style.setProperty("--level", level)) : null;
    this.#level.hidden = microphone === null;
  }
}

/** Loudness of a microphone, 0 to 1, once per frame. */
class Meter {
  #context = new AudioContext();
  #frame = 0;

  constructor(track, report) {
    this.track = track;
    const analyser = new AnalyserNode(this.#context, { fftSize: 512 });
    this.#context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const look = () => {
      analyser.getFloatTimeDomainData(samples);
      const loud = Math.sqrt(samples.reduce((sum, one) => sum + one * one, 0) / samples.length);
      report(Math.min(1, Math.sqrt(loud) * 1.6).toFixed(2));
      this.#frame = requestAnimationFrame(look);
    };
    look();
  }

  close() {
    cancelAnimationFrame(this.#frame);
    this.#context.close();
  }
}

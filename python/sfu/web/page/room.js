// The call itself: header, stage, chat and buttons, kept in step with the client. Every change redraws from the state,
// so that nothing on the screen can disagree with what the server says.

import { Chat } from "./chat.js";
import { button, toggle } from "./controls.js";
import { DeviceChoice, openSettings } from "./devices.js";
import { h, icon, setText } from "./dom.js";
import { LocalMedia } from "./media.js";
import { called, tilesOf } from "./people.js";
import { inviteLink } from "./query.js";
import { Sampler, describe } from "./samples.js";
import { Stage } from "./stage.js";
import { toast } from "./toasts.js";

/** Milliseconds of trouble before the banner says so. Higher: calmer. Lower: sooner. */
const CALM = 1500;

export class Room {
  #client;
  #media;
  #sound;
  #sampler;
  #stage;
  #chat = new Chat();
  #pinned = null;
  #numbers = new Set();
  #allNumbers = false;
  #timer = 0;
  #trouble = { text: "", timer: 0 };
  #undo = [];
  #unread = h("span", { class: "unread", hidden: true });
  #title = h("h1", { class: "room-name" });
  #count = h("span", {});
  #banner = h("div", { class: "banner", role: "status", hidden: true });
  #unblock = h("button", { type: "button", class: "unblock", hidden: true, onclick: () => this.#sound.unblock() },
    icon("sound"), "Click to hear the others");
  #microphone = toggle("mic", "Microphone", () => this.#flipMicrophone(), "m");
  #camera = toggle("camera", "Camera", () => this.#flipCamera(), "v");
  #screen = toggle("screen", "Share the screen", () => this.#media.setScreen(!this.#media.screen), "s");
  #chatToggle = toggle("chat", "Chat", () => this.#openChat(!this.#chat.open), "c");
  #statistics = toggle("stats", "Statistics", () => this.#showAllNumbers(!this.#allNumbers), "i");
  #flip = button("flip", "Other camera", () => this.#media.flip());

  /**
   * @param {import("./sfu.js").Client} client
   * @param {LocalMedia} media
   * @param {import("./sound.js").Sound} sound
   */
  constructor(client, media, sound) {
    this.#client = client;
    this.#media = media;
    this.#sound = sound;
    this.#sampler = new Sampler(client);
    this.#stage = new Stage({
      onQuality: (view, quality) => this.#choose(view, quality),
      onPin: (view) => this.#pin(view.key),
      onNumbers: (view) => this.#toggleNumbers(view.key),
      stateOf: (key) => ({ pinned: this.#pinned === key, numbers: this.#allNumbers || this.#numbers.has(key) }),
    }, this.#alone());
    this.element = this.#build();
    this.#listen();
    this.#show();
  }

  close() {
    for (const undo of this.#undo) undo();
    clearInterval(this.#timer);
    clearTimeout(this.#trouble.timer);
    this.element.remove();
  }

  #build() {
    this.#chatToggle.element.append(this.#unread);
    const choice = new DeviceChoice(this.#media, this.#sound);
    this.#undo.push(() => choice.close());
    return h("div", { class: "room" },
      h("header", { class: "top" },
        this.#title, h("span", { class: "count", title: "People here" }, icon("people"), this.#count),
        h("span", { class: "space" }),
        button("link", "Copy the invite link", () => this.#invite(), "bare"),
        button("settings", "Devices and shortcuts", () => openSettings(choice), "bare")),
      this.#banner, this.#stage.element, this.#chat.element,
      h("nav", { class: "bar", "aria-label": "Call" },
        this.#microphone.element, this.#camera.element, this.#flip,
        LocalMedia.screenPossible && this.#screen.element,
        this.#chatToggle.element, this.#statistics.element,
        button("leave", "Leave", () => this.#client.leave(), "round leave")),
      this.#unblock);
  }

  #alone() {
    return h("div", { class: "alone" }, h("p", {}, "Nobody else is here yet."),
      h("button", { type: "button", class: "soft", onclick: () => this.#invite() }, icon("link"), "Copy the invite link"));
  }

  #listen() {
    const client = this.#client;
    this.#undo.push(
      client.on("change", () => this.#show()),
      client.on("message", (message) => this.#heard(message)),
      client.on("participant", ({ what, participant }) => this.#came(what, participant)),
      client.on("error", (error) => toast(error.message, "problem")),
      this.#media.on("change", () => this.#show()),
      this.#sound.on("blocked", (blocked) => (this.#unblock.hidden = !blocked)),
      this.#chat.on("send", (text) => this.#say(text)),
      this.#chat.on("close", () => this.#openChat(false)),
    );
    const onKey = (event) => this.#onKey(event);
    addEventListener("keydown", onKey);
    this.#undo.push(() => removeEventListener("keydown", onKey));
  }

  #show() {
    const client = this.#client;
    if (client.state === "closed") return;
    setText(this.#title, client.room?.name ?? "");
    setText(this.#count, String(client.participants.size));
    this.#stage.show(tilesOf(client, this.#media, this.#pinned));
    this.#sound.show(client);
    this.#microphone.show(this.#media.microphoneOn);
    this.#camera.show(this.#media.cameraOn);
    this.#screen.show(this.#media.screen !== null);
    this.#chatToggle.show(this.#chat.open);
    this.#statistics.show(this.#allNumbers);
    this.#chatToggle.element.hidden = !client.permissions.data;
    this.#microphone.element.hidden = !client.mayPublish("microphone");
    this.#camera.element.hidden = !client.mayPublish("camera");
    this.#screen.element.hidden = !client.mayPublish("screen");
    this.#showFlip();
    this.#showTrouble();
  }

  async #showFlip() {
    const cameras = this.#media.cameraOn && matchMedia("(pointer: coarse)").matches ? await this.#media.devices("videoinput") : [];
    this.#flip.hidden = cameras.length < 2;
  }

  /** The banner waits a little: most gaps are over before anybody notices. */
  #showTrouble() {
    const text = this.#troubleText();
    if (text === this.#trouble.text) return;
    clearTimeout(this.#trouble.timer);
    const show = () => {
      setText(this.#banner, text);
      this.#banner.hidden = !text;
    };
    this.#trouble = { text, timer: text ? setTimeout(show, CALM) : 0 };
    if (!text) show();
  }

  #troubleText() {
    if (this.#client.state === "reconnecting") return navigator.onLine ? "Reconnecting…" : "You are offline";
    const media = this.#client.pc?.connectionState;
    if (media === "disconnected" || media === "failed") return "Connection is weak, reconnecting…";
    return media === "connecting" ? "Connecting…" : "";
  }

  // People's wishes.

  #flipMicrophone() {
    this.#media.setMicrophone(!this.#media.microphoneOn);
  }

  #flipCamera() {
    this.#media.setCamera(!this.#media.cameraOn);
  }

  #choose(view, quality) {
    this.#client.setQuality(view.track.track, quality).catch((error) => toast(error.message, "problem"));
  }

  #pin(key) {
    this.#pinned = this.#pinned === key ? null : key;
    this.#show();
  }

  async #invite() {
    const link = inviteLink(this.#client.room.name);
    try {
      await navigator.clipboard.writeText(link);
      toast("The invite link is copied.");
    } catch {
      prompt("Copy this link:", link); // no clipboard over plain http
    }
  }

  #onKey(event) {
    const typing = event.target.closest?.("input, textarea, select, dialog");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const wish = {
      m: () => this.#flipMicrophone(),
      v: () => this.#flipCamera(),
      s: () => LocalMedia.screenPossible && this.#media.setScreen(!this.#media.screen),
      c: () => this.#openChat(!this.#chat.open),
      i: () => this.#showAllNumbers(!this.#allNumbers),
      Escape: () => this.#pinned && this.#pin(this.#pinned),
    }[event.key];
    if (!wish) return;
    event.preventDefault();
    wish();
  }

  // Chat.

  #openChat(open) {
    if (open && !this.#client.permissions.data) return;
    this.#chat.open = open;
    this.element.classList.toggle("with-chat", open);
    if (open) this.#unread.hidden = true;
    else this.#chatToggle.element.focus({ preventScroll: true });
    this.#chatToggle.show(open);
  }

  #say(text) {
    const { identity } = this.#client;
    this.#client.say("chat", { text }).then(
      () => this.#chat.add({ identity, name: "", text, own: true }),
      (error) => toast(`Not sent: ${error.message}`, "problem"),
    );
  }

  #heard({ topic, data, from }) {
    if (topic !== "chat" || typeof data?.text !== "string") return;
    const sender = [...this.#client.participants.values()].find((one) => one.identity === from);
    this.#chat.add({ identity: from ?? "", name: sender ? called(sender) : (from ?? "Server"), text: data.text });
    if (this.#chat.open) return;
    setText(this.#unread, String(Math.min(99, (this.#unread.hidden ? 0 : Number(this.#unread.textContent)) + 1)));
    this.#unread.hidden = false;
  }

  #came(what, participant) {
    if (participant.session === this.#client.session || this.#client.participants.size > 12) return;
    if (what !== "updated") toast(`${called(participant)} ${what}`, "plain", "presence");
  }

  // Numbers in the tiles.

  #toggleNumbers(key) {
    if (this.#allNumbers) this.#showAllNumbers(false);
    else if (!this.#numbers.delete(key)) this.#numbers.add(key);
    this.#watch();
  }

  #showAllNumbers(on) {
    this.#allNumbers = on;
    this.#numbers.clear();
    this.#statistics.show(on);
    this.#watch();
  }

  #watch() {
    clearInterval(this.#timer);
    const wanted = this.#allNumbers || this.#numbers.size > 0;
    if (wanted) this.#timer = setInterval(() => this.#measure(), 1000);
    this.#measure();
  }

  async #measure() {
    const samples = this.#allNumbers || this.#numbers.size ? await this.#sampler.sample() : [];
    for (const view of this.#stage.views) {
      const wanted = this.#allNumbers || this.#numbers.has(view.key);
      this.#stage.tile(view.key)?.setNumbers(wanted ? this.#numbersOf(view, samples) : null);
    }
  }

  #numbersOf(view, samples) {
    const video = samples.filter((one) => one.kind === "video" && (view.own
      ? one.direction === "out" && one.source === (view.kind === "screen" ? "screen" : "camera")
      : one.track === view.track?.track));
    const voice = view.kind === "screen" ? undefined : samples.find((one) =>
      one.kind === "audio" && one.source === "microphone" && one.identity === view.identity);
    return describe(video, voice, view.track);
  }
}

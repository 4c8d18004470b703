// Choosing camera, microphone and speaker: the same three selects before joining and in the room's settings.

import { h, icon } from "./dom.js";
import { Sound } from "./sound.js";

export class DeviceChoice {
  #media;
  #sound;
  #rows;
  #refresh = () => this.refresh();
  #stop;

  /**
   * @param {import("./media.js").LocalMedia} media
   * @param {Sound} sound
   */
  constructor(media, sound) {
    this.#media = media;
    this.#sound = sound;
    this.#rows = [
      row("camera", "Camera", "videoinput", (id) => media.choose("videoinput", id)),
      row("mic", "Microphone", "audioinput", (id) => media.choose("audioinput", id)),
      ...(Sound.outputPossible ? [row("sound", "Speaker", "audiooutput", (id) => sound.choose(id))] : []),
    ];
    this.element = h("div", { class: "devices" }, ...this.#rows.map((one) => one.element));
    navigator.mediaDevices?.addEventListener("devicechange", this.#refresh);
    this.#stop = media.on("change", this.#refresh);
    this.refresh();
  }

  /** Stop following the devices. */
  close() {
    navigator.mediaDevices?.removeEventListener("devicechange", this.#refresh);
    this.#stop();
  }

  async refresh() {
    for (const { kind, select } of this.#rows) {
      const devices = await this.#media.devices(kind);
      const current = kind === "audiooutput" ? this.#sound.output : this.#media.current(kind);
      const options = devices.map((one, index) => [one.deviceId, one.label || `${select.getAttribute("aria-label")} ${index + 1}`]);
      const same = JSON.stringify(options) === select.dataset.options;
      if (!same) {
        select.dataset.options = JSON.stringify(options);
        select.replaceChildren(...(options.length ? options : [["", "None found"]]).map(([value, text]) => h("option", { value }, text)));
      }
      select.disabled = options.length === 0;
      if (options.some(([id]) => id === current)) select.value = current;
    }
  }
}

function row(symbol, label, kind, choose) {
  const select = h("select", { "aria-label": label, onchange: () => choose(select.value) });
  return { kind, select, element: h("label", { class: "device", title: label }, icon(symbol), select) };
}

/** The settings dialog of the room. @param {DeviceChoice} choice */
export function openSettings(choice) {
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "settings-title", onclose: () => dialog.remove() },
    h("header", {}, h("h2", { id: "settings-title" }, "Devices"),
      h("button", { type: "button", class: "bare", "aria-label": "Close", onclick: () => dialog.close() }, icon("close"))),
    choice.element,
    h("dl", { class: "keys" },
      ...[["m", "microphone"], ["v", "camera"], ["s", "share the screen"], ["c", "chat"], ["i", "statistics"]]
        .flatMap(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])));
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  choice.refresh();
  dialog.showModal();
}

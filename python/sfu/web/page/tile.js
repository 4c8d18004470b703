// One tile: a picture or initials, a name, a frame while its person speaks, a menu, and numbers when asked for.
// It owns its elements and shows the TileView that it is given; it never asks the client anything.

import { h, icon, setText } from "./dom.js";
import { openMenu } from "./menu.js";

const QUALITIES = [["auto", "Auto"], ["high", "High"], ["medium", "Medium"], ["low", "Low"]];

export class Tile {
  #view = null;
  #actions;
  #video = h("video", { autoplay: true, playsinline: true });
  #initials = h("span", { class: "initials", "aria-hidden": "true" });
  #notice = h("p", { class: "notice", hidden: true });
  #name = h("span", { class: "name" });
  #badge = h("span", { class: "badge", hidden: true });
  #muted = h("span", { class: "muted", title: "Muted", role: "img", "aria-label": "muted" }, icon("mic-off"));
  #numbers = h("dl", { class: "numbers", hidden: true });
  #menu;

  /**
   * @param {object} actions
   * @param {(view: object, quality: string) => void} actions.onQuality
   * @param {(view: object) => void} actions.onPin
   * @param {(view: object) => void} actions.onNumbers
   * @param {(key: string) => {pinned: boolean, numbers: boolean}} actions.stateOf
   */
  constructor(actions) {
    this.#actions = actions;
    this.#video.muted = true; // sound has elements of its own (sound.js)
    this.#video.addEventListener("loadeddata", () => this.#showPicture());
    this.#video.addEventListener("emptied", () => this.#showPicture());
    this.#menu = h("button", { class: "tile-menu", type: "button", "aria-haspopup": "menu", onclick: () => this.#open() }, icon("more"));
    const onclick = (event) => this.#onTap(event);
    this.element = h("article", { class: "tile", onclick, ondblclick: () => actions.onPin(this.#view) },
      h("div", { class: "avatar" }, this.#initials), this.#video, this.#notice, this.#numbers,
      h("footer", { class: "label" }, this.#muted, this.#name, this.#badge), this.#menu);
  }

  /** @param {import("./people.js").TileView} view */
  show(view) {
    const { element } = this;
    const first = this.#view === null;
    this.#view = view;
    const words = view.kind === "screen" ? `${view.name}’s screen` : view.name;
    setText(this.#name, view.own ? (view.kind === "screen" ? "Your screen" : `${view.name} (you)`) : words);
    setText(this.#initials, initialsOf(view.name));
    if (first) {
      element.dataset.key = view.key;
      element.style.setProperty("--hue", hueOf(view.identity));
    }
    element.dataset.identity = view.identity;
    element.classList.toggle("screen", view.kind === "screen");
    element.classList.toggle("own", view.own);
    element.classList.toggle("mirrored", view.mirrored);
    element.classList.toggle("speaking", view.speaking && !view.silent);
    element.classList.toggle("away", view.away);
    element.setAttribute("aria-label", words);
    this.#menu.setAttribute("aria-label", `Options for ${words}`);
    this.#menu.title = "Options";
    this.#muted.hidden = !view.silent || view.kind === "screen";
    const notice = view.away ? "Connection lost" : view.notice;
    this.#notice.hidden = !notice;
    setText(this.#notice, notice ?? "");
    const quality = view.subscription?.quality ?? "auto";
    this.#badge.hidden = quality === "auto" || view.own;
    setText(this.#badge, quality);
    this.#play(view.media);
  }

  /** @param {import("./layout.js").Box & {floating?: boolean}} box @param {boolean} animated */
  place({ x, y, w, h: height, floating = false }, animated) {
    const { style, classList } = this.element;
    classList.toggle("floating", floating);
    classList.toggle("small", w < 250 || height < 190);
    classList.toggle("tiny", w < 150 || height < 90);
    classList.toggle("still", !animated);
    style.transform = `translate(${x}px, ${y}px)`;
    style.width = `${w}px`;
    style.height = `${height}px`;
    style.setProperty("--size", `${Math.min(w, height)}px`);
  }

  /** @param {[string, string][] | null} lines `null`: hide them */
  setNumbers(lines) {
    this.#numbers.hidden = lines === null;
    if (lines) this.#numbers.replaceChildren(...lines.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
  }

  remove() {
    this.#video.srcObject = null;
    this.element.remove();
  }

  #play(media) {
    const current = this.#video.srcObject?.getVideoTracks()[0] ?? null;
    if (current === media) return;
    this.#video.srcObject = media ? new MediaStream([media]) : null;
    if (media) this.#video.play().catch(() => {}); // muted video may always play; a removed one rejects
    this.#showPicture();
  }

  #showPicture() {
    const ready = this.#video.srcObject !== null && this.#video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
    this.element.classList.toggle("has-picture", ready);
  }

  /** A small tile has no room for its button under a finger. */
  #onTap({ target }) {
    const { classList } = this.element;
    const small = classList.contains("tiny") || classList.contains("floating");
    if (small && matchMedia("(pointer: coarse)").matches && !this.#menu.contains(target)) this.#open();
  }

  #open() {
    const view = this.#view;
    const { pinned, numbers } = this.#actions.stateOf(view.key);
    const quality = view.subscription?.quality ?? "auto";
    openMenu(this.#menu, [
      ...(view.own || !view.track ? [] : [
        { heading: "Quality" },
        ...QUALITIES.map(([value, label]) => ({
          label, checked: quality === value, radio: true, action: () => this.#actions.onQuality(view, value),
        })),
        { separator: true },
      ]),
      { label: pinned ? "Unpin" : "Pin", icon: "pin", action: () => this.#actions.onPin(view) },
      { label: numbers ? "Hide statistics" : "Statistics", icon: "stats", action: () => this.#actions.onNumbers(view) },
      ...(this.element.requestFullscreen
        ? [{ label: "Full screen", icon: "expand", action: () => this.element.requestFullscreen() }]
        : []),
    ]);
  }
}

/** One or two letters for a person without a picture. @param {string} name */
export function initialsOf(name) {
  const words = name.trim().split(/[\s._-]+/u).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : words;
  return letters.map((word) => [...word][0]).join("").toUpperCase() || "?";
}

/** The same colour for the same person, everywhere. @param {string} identity */
export function hueOf(identity) {
  let hash = 7;
  for (const letter of identity) hash = (hash * 31 + letter.codePointAt(0)) >>> 0;
  return String((hash * 47) % 360);
}

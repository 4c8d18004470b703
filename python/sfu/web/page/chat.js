// The chat beside the stage: topic `chat` of docs/signaling.md, `{text}` each. Nothing is kept: who comes later starts empty.

import { Emitter } from "./emitter.js";
import { h, icon } from "./dom.js";
import { hueOf } from "./tile.js";

const LONGEST = 4000;
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

/** Events: `send` (text), `close`. */
export class Chat extends Emitter {
  #list = h("ol", { class: "messages", "aria-live": "polite", "aria-label": "Messages" });
  #field = h("textarea", {
    rows: "1", maxlength: LONGEST, placeholder: "Message", "aria-label": "Message", enterkeyhint: "send",
    onkeydown: (event) => this.#onKey(event),
    oninput: () => this.#grow(),
  });
  #last = null;

  constructor() {
    super();
    this.element = h("aside", { class: "chat", "aria-label": "Chat", hidden: true, onkeydown: (event) => this.#onEscape(event) },
      h("header", {}, h("h2", {}, "Chat"),
        h("button", { type: "button", class: "bare", "aria-label": "Close the chat", onclick: () => this.emit("close") }, icon("close"))),
      this.#list,
      h("form", { onsubmit: (event) => this.#submit(event) }, this.#field,
        h("button", { class: "send", "aria-label": "Send" }, icon("send"))));
    this.#empty();
  }

  get open() {
    return !this.element.hidden;
  }

  set open(open) {
    this.element.hidden = !open;
    if (open) this.#field.focus({ preventScroll: true });
  }

  /** @param {{identity: string, name: string, text: string, own?: boolean}} message */
  add({ identity, name, text, own = false }) {
    if (!this.#last) this.#list.replaceChildren();
    const near = this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < 80;
    const now = new Date();
    const follows = this.#last?.identity === identity && now - this.#last.time < 120_000;
    this.#list.append(h("li", { class: own ? "own" : "", style: `--hue: ${hueOf(identity)}` },
      !follows && h("p", { class: "who" }, h("b", {}, own ? "You" : name), " ", h("time", {}, CLOCK.format(now))),
      h("p", { class: "text" }, ...withLinks(text.slice(0, LONGEST)))));
    this.#last = { identity, time: now };
    if (near || own) this.#list.scrollTop = this.#list.scrollHeight;
  }

  #empty() {
    this.#list.append(h("li", { class: "empty" }, "Messages go to everybody who is in the room now."));
  }

  #submit(event) {
    event.preventDefault();
    const text = this.#field.value.trim();
    if (!text) return;
    this.#field.value = "";
    this.#grow();
    this.emit("send", text);
  }

  #onKey(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) this.#submit(event);
  }

  #onEscape(event) {
    if (event.key === "Escape") this.emit("close");
  }

  #grow() {
    this.#field.style.height = "auto";
    this.#field.style.height = `${Math.min(this.#field.scrollHeight, 120)}px`;
  }
}

/** Text with its http(s) addresses as links; never HTML. */
function withLinks(text) {
  return text.split(/(https?:\/\/[^\s<>"]+[^\s<>".,;:!?)\]])/u).map((part, index) =>
    index % 2 ? h("a", { href: part, target: "_blank", rel: "noopener noreferrer" }, part) : part);
}

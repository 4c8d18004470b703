// Short sentences that come and go, read out by screen readers.

import { h, icon } from "./dom.js";

/** Milliseconds. Higher: slow readers. Lower: less in the way. */
const STAY = 6000;

/** @param {string} text @param {"plain" | "problem"} [tone] */
export function toast(text, tone = "plain") {
  const host = document.getElementById("toasts");
  const same = [...host.children].find((one) => one.dataset.text === text);
  same?.remove();
  const element = h("div", { class: `toast ${tone}`, "data-text": text }, h("span", {}, text),
    h("button", { type: "button", class: "bare", "aria-label": "Dismiss", onclick: () => element.remove() }, icon("close")));
  host.append(element);
  while (host.children.length > 3) host.firstChild.remove();
  setTimeout(() => element.remove(), STAY);
}

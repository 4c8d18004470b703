// Short sentences that come and go, read out by screen readers.

import { h, icon } from "./dom.js";

/** Milliseconds. Higher: slow readers. Lower: less in the way. */
const STAY = { plain: 3500, problem: 8000 };

/** @param {string} text @param {"plain" | "problem"} [tone] @param {string} [topic] replaces the last of its topic */
export function toast(text, tone = "plain", topic = text) {
  const host = document.getElementById("toasts");
  [...host.children].find((one) => one.dataset.topic === topic)?.remove();
  const element = h("div", { class: `toast ${tone}`, "data-topic": topic }, h("span", {}, text),
    h("button", { type: "button", class: "bare", "aria-label": "Dismiss", onclick: () => element.remove() }, icon("close")));
  host.append(element);
  while (host.children.length > 3) host.firstChild.remove();
  setTimeout(() => element.remove(), STAY[tone]);
}

// The round buttons at the bottom of a call.

import { h, icon } from "./dom.js";

const OFF = { mic: "mic-off", camera: "camera-off" };

/**
 * A button that is on or off.
 * @param {string} symbol
 * @param {string} label
 * @param {() => void} action
 * @param {string} [key] its shortcut
 */
export function toggle(symbol, label, action, key) {
  const element = h("button", { type: "button", class: `round toggle-${symbol}`, onclick: action });
  element.append(icon(symbol));
  return {
    element,
    /** @param {boolean} on */
    show(on) {
      const danger = symbol in OFF;
      const words = danger ? `${label} ${on ? "on" : "off"}` : label;
      element.setAttribute("aria-pressed", String(on));
      element.setAttribute("aria-label", label);
      element.title = key ? `${words} (${key})` : words;
      element.classList.toggle("off", danger && !on);
      element.classList.toggle("active", !danger && on);
      if (danger) element.querySelector("svg").replaceWith(icon(on ? symbol : OFF[symbol]));
    },
  };
}

/** A button that does one thing. @param {string} symbol @param {string} label @param {() => void} action */
export function button(symbol, label, action, style = "round") {
  return h("button", { type: "button", class: style, title: label, "aria-label": label, onclick: action }, icon(symbol));
}

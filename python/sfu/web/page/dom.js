// Elements in one expression, and the icons. Nothing here ever parses text from a participant as HTML.

/**
 * An element: `h("button", { class: "round", onclick }, icon("mic"), "Mute")`. Properties that begin with `on` are
 * listeners, `null`, `undefined` and `false` leave an attribute out, `true` makes it empty.
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {HTMLElement}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.filter((one) => one !== null && one !== undefined && one !== false));
  return element;
}

/** Write text only where it differs, so that nothing is painted or read out twice. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const SVG = "http://www.w3.org/2000/svg";

/** 24 by 24, drawn for this page: strokes of 1.8, round ends. */
const PATHS = {
  mic: ["M12 3.5a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0v-5a3 3 0 0 0-3-3Z", "M5.5 11.5a6.5 6.5 0 0 0 13 0", "M12 18v3"],
  "mic-off": ["M15 9.5v-3a3 3 0 0 0-5.8-1", "M9 9v2.5a3 3 0 0 0 4.7 2.5", "M5.5 11.5a6.5 6.5 0 0 0 10.3 5.3",
    "M18.5 11.5a6.5 6.5 0 0 1-.6 2.7", "M12 18v3", "m4 4 16 16"],
  camera: ["M5.5 6.5h8a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2h-8a2 2 0 0 1-2-2v-7a2 2 0 0 1 2-2Z", "m15.5 10.8 5-3v8.4l-5-3"],
  "camera-off": ["M9.5 6.5h4a2 2 0 0 1 2 2v4", "m15.5 10.8 5-3v8.4l-2.5-1.5",
    "M15.3 16.4a2 2 0 0 1-1.8 1.1h-8a2 2 0 0 1-2-2v-7a2 2 0 0 1 1.6-2", "m4 4 16 16"],
  flip: ["M4.5 8.5h3l1.5-2h6l1.5 2h3v10h-15Z", "M9.3 14.5a2.8 2.8 0 0 0 5 .6", "M14.7 12.3a2.8 2.8 0 0 0-5-.6",
    "M14.7 16.3v-1.3h-1.3", "M9.3 10.5v1.3h1.3"],
  screen: ["M5 4.5h14a1.5 1.5 0 0 1 1.5 1.5v9a1.5 1.5 0 0 1-1.5 1.5h-14a1.5 1.5 0 0 1-1.5-1.5v-9a1.5 1.5 0 0 1 1.5-1.5Z",
    "M8.5 20h7", "M12 13.5v-5.5", "m9.5 10.2 2.5-2.4 2.5 2.4"],
  chat: ["M6.5 4.5h11a3 3 0 0 1 3 3v6a3 3 0 0 1-3 3h-5.5l-4.5 3.5v-3.5h-1a3 3 0 0 1-3-3v-6a3 3 0 0 1 3-3Z",
    "M8.5 9h7", "M8.5 12.2h4.5"],
  leave: ["M3.8 14.3c-.7-.9-.6-2.2.3-3a12 12 0 0 1 15.8 0c.9.8 1 2.1.3 3l-.9 1.1a1.3 1.3 0 0 1-1.6.3l-2.6-1.4a1.3 1.3 0 0 1-.7-1.4l.2-1.3a9 9 0 0 0-5.2 0l.2 1.3a1.3 1.3 0 0 1-.7 1.4l-2.6 1.4a1.3 1.3 0 0 1-1.6-.3Z"],
  link: ["M10 14a4 4 0 0 0 5.7 0l3-3a4 4 0 0 0-5.7-5.7l-1 1", "M14 10a4 4 0 0 0-5.7 0l-3 3a4 4 0 0 0 5.7 5.7l1-1"],
  stats: ["M5 19v-6", "M12 19v-14", "M19 19v-9"],
  settings: ["M4 7.5h9", "M17.5 7.5h2.5", "M4 16.5h2.5", "M11 16.5h9", "M13 7.5a2.2 2.2 0 1 0 4.5 0a2.2 2.2 0 1 0-4.5 0",
    "M6.5 16.5a2.2 2.2 0 1 0 4.5 0a2.2 2.2 0 1 0-4.5 0"],
  people: ["M9 11.5a3.2 3.2 0 1 0 0-6.5a3.2 3.2 0 0 0 0 6.5Z", "M3 19.5a6 6 0 0 1 12 0", "M15.5 5.3a3.2 3.2 0 0 1 0 6",
    "M17.5 14.3a6 6 0 0 1 3.5 5.2"],
  more: ["M6 12h.01", "M12 12h.01", "M18 12h.01"],
  pin: ["M9 4.5h6l-.7 5.5 2.7 3.5h-10l2.7-3.5Z", "M12 13.5v6"],
  expand: ["M9 4.5h-4.5v4.5", "M15 4.5h4.5v4.5", "M9 19.5h-4.5v-4.5", "M15 19.5h4.5v-4.5"],
  close: ["m6 6 12 12", "m18 6-12 12"],
  send: ["M4.5 12 20 4.5l-5 15-3.5-6Z", "m11.5 13.5 8.5-9"],
  check: ["m5 12.5 4.5 4.5 9.5-10"],
  sound: ["M4.5 9.5v5h3l4.5 4v-13l-4.5 4Z", "M15.5 9a4 4 0 0 1 0 6", "M18 6.5a7.5 7.5 0 0 1 0 11"],
};

/** @param {keyof typeof PATHS} name @returns {SVGElement} hidden from screen readers: the button has the words */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  for (const d of PATHS[name]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}

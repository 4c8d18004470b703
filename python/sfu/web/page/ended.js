// The screen after a call, with the reason in words.

import { h } from "./dom.js";

const REASONS = {
  left: ["You left the room", ""],
  kicked: ["You were removed from the room", ""],
  replaced: ["You joined from somewhere else", "This room is open in another window or on another device."],
  room_closed: ["The room was closed", ""],
  server_closed: ["The server was stopped", "Try again in a moment."],
  timeout: ["The connection was lost", "No media reached the server: a firewall may block UDP."],
  fingerprint_mismatch: ["The connection was not secure", "Encryption keys did not match, so it was ended."],
  handshake_failed: ["The connection could not be secured", "The encryption handshake failed."],
};

const REFUSALS = {
  unauthorized: "This room needs a valid invitation: the token is missing, wrong or has expired.",
  forbidden: "The invitation does not allow this.",
  room_full: "The room is full.",
  room_closed: "The room was closed.",
  too_many_rooms: "The server has no place for another room.",
  too_many_sessions: "The server is full.",
  unavailable: "The server cannot answer now: try again in a moment.",
};

/** A refusal in words. @param {{code?: string, message: string}} error */
export function refusal(error) {
  return REFUSALS[error.code] ?? error.message;
}

/** @param {{reason: string, detail: string}} closed @param {() => void} onAgain */
export function ended({ reason, detail }, onAgain) {
  const [title, words] = REASONS[reason] ?? ["The call has ended", REFUSALS[reason] ?? ""];
  const again = h("button", { class: "primary", type: "button", onclick: onAgain }, "Join again");
  queueMicrotask(() => again.focus());
  const text = detail ? `${detail[0].toUpperCase()}${detail.slice(1)}` : words;
  return h("section", { class: "ended card" }, h("h1", {}, title), text && h("p", {}, text), again);
}

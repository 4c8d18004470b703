// What the page's address asks for, and what this browser remembers.

const query = new URLSearchParams(location.search);

const number = (name) => (Number(query.get(name)) > 0 ? Number(query.get(name)) : undefined);

/** `/?room=R&name=N&join=1&token=T`; `width height fps codec` shape the camera, `video=0` and `audio=0` leave it out. */
export const asked = {
  room: query.get("room") ?? "",
  name: query.get("name") ?? "",
  identity: query.get("identity") || undefined,
  token: query.get("token") || undefined,
  join: ["1", "true", "yes"].includes(query.get("join") ?? ""),
  video: query.get("video") !== "0",
  audio: query.get("audio") !== "0",
  width: number("width"),
  height: number("height"),
  fps: number("fps"),
  codec: query.get("codec") || undefined,
};

/** What was chosen last time. Private windows may refuse to store: then nothing is remembered. */
export const memory = {
  get(name) {
    try {
      return localStorage.getItem(`sfu.${name}`) ?? "";
    } catch {
      return "";
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(`sfu.${name}`, value);
    } catch {
      // not remembered
    }
  },
};

/** A link for others: this page and this room, without name and token. @param {string} room */
export function inviteLink(room) {
  const link = new URL(location.pathname, location.href);
  link.searchParams.set("room", room);
  return link.href;
}

/** The address bar shows the room, so that a reload comes back to it. @param {string} room */
export function showRoom(room) {
  const here = new URL(location.href);
  here.searchParams.set("room", room);
  history.replaceState(null, "", here);
}

const ADJECTIVES = ["amber", "bright", "calm", "clear", "gentle", "golden", "green", "quiet", "silver", "sunny", "swift", "warm"];
const NOUNS = ["bay", "bridge", "canyon", "field", "forest", "garden", "harbor", "island", "lake", "meadow", "river", "valley"];

/** A room that nobody is in, most likely. */
export function freshRoom() {
  const [a, b, c] = crypto.getRandomValues(new Uint16Array(3));
  return `${ADJECTIVES[a % ADJECTIVES.length]}-${NOUNS[b % NOUNS.length]}-${String(c % 900 + 100)}`;
}

// The page: lobby, room, end. `?join=1` goes to the room without a click. `window.sfu` is for tests and for the curious.

import { ended, refusal } from "./ended.js";
import { Lobby } from "./lobby.js";
import { LocalMedia } from "./media.js";
import { called } from "./people.js";
import { asked, memory, showRoom } from "./query.js";
import { Room } from "./room.js";
import { Sampler } from "./samples.js";
import { Client } from "./sfu.js";
import { Sound } from "./sound.js";
import { toast } from "./toasts.js";

const app = document.getElementById("app");
const media = new LocalMedia();
const sound = new Sound();
let client = null;

media.on("problem", (text) => toast(text, "problem"));
addEventListener("pagehide", () => client?.leave());
// A page out of the back-forward cache has left its room.
addEventListener("pageshow", (event) => event.persisted && location.reload());

if (asked.join && (asked.room || asked.token)) {
  joinAtOnce();
} else {
  lobby();
}

function lobby() {
  const screen = new Lobby(media, sound, async (answers) => {
    memory.set("name", answers.name);
    const waiting = setTimeout(() => screen.say("The server does not answer. Trying again…"), 3000);
    try {
      await join(answers);
    } catch (error) {
      throw new Error(refusal(error));
    } finally {
      clearTimeout(waiting);
    }
    screen.close();
    room();
  });
  app.replaceChildren(screen.element);
  screen.open();
  return screen;
}

async function joinAtOnce() {
  // Media need not wait for the room, nor the room for media: both start now.
  const devices = media.start({ camera: asked.video, microphone: asked.audio });
  try {
    await join({ name: asked.name || memory.get("name"), room: asked.room }, devices);
    room();
  } catch (error) {
    lobby().say(refusal(error));
  }
}

async function join({ name, room: roomName }, devices = Promise.resolve()) {
  client = new Client({
    url: "ws", room: roomName || undefined, name, token: asked.token, identity: asked.identity,
  });
  window.sfu.client = client;
  const mine = client;
  await client.join();
  showRoom(client.room.name);
  devices.then(() => mine === client && media.attach(mine));
}

function room() {
  const screen = new Room(client, media, sound);
  app.replaceChildren(screen.element);
  document.title = `${client.room.name} · sfu`;
  client.on("closed", (closed) => {
    screen.close();
    media.close();
    sound.show(client);
    client = null;
    app.replaceChildren(ended(closed, () => lobby()));
  });
}

/** For tests: plain values only. */
window.sfu = {
  client: null,
  media,
  /** Everything at once: state, people, tracks with their subscriptions and measurements. */
  async report() {
    if (!client) return { state: "closed", connection: "closed", identity: null, participants: [], tracks: [], samples: [] };
    return {
      state: client.state,
      connection: client.pc?.connectionState ?? "new",
      identity: client.identity,
      participants: [...client.participants.values()],
      tracks: [...client.tracks.values()].map((track) => ({
        ...track, subscription: client.subscriptions.get(track.track) ?? null, live: client.media(track.track) !== null,
      })),
      speakers: client.speakers,
      samples: await sampler().sample(),
    };
  },
  /** The track of a participant (identity or name) by source. */
  track(who, source = "camera") {
    const names = new Map([...client.participants.values()].map((one) => [one.identity, called(one)]));
    return [...client.tracks.values()].find((one) =>
      one.source === source && (one.identity === who || names.get(one.identity) === who)) ?? null;
  },
  /** Measurements of one participant's source, ours (one per encoding) or theirs. */
  async stats(who, source = "camera") {
    const track = window.sfu.track(who, source);
    return track ? (await sampler().sample()).filter((one) => one.track === track.track) : [];
  },
};

let measured = null;
function sampler() {
  if (measured?.client !== client) measured = { client, sampler: new Sampler(client) };
  return measured.sampler;
}

// The page: lobby, room, end. `?join=1` goes to the room without a click. `window.sfu` is for tests and for the curious.

import { ended, refusal } from "./ended.js";
import { Inspector } from "./inspector.js";
import { Lobby } from "./lobby.js";
import { LocalMedia } from "./media.js";
import { asked, memory, showRoom } from "./query.js";
import { Room } from "./room.js";
import { Client } from "./sfu.js";
import { Sound } from "./sound.js";
import { toast } from "./toasts.js";

const app = document.getElementById("app");
const media = new LocalMedia();
const sound = new Sound();
const inspector = new Inspector(media);
let client = null;

window.sfu = inspector;
media.on("problem", (text) => toast(text, "problem"));
addEventListener("pagehide", () => client?.leave());
// A page out of the back-forward cache has left its room.
addEventListener("pageshow", (event) => event.persisted && location.reload());

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
  inspector.client = client;
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
    client = inspector.client = null;
    app.replaceChildren(ended(closed, () => lobby()));
  });
}

if (asked.join && (asked.room || asked.token)) joinAtOnce();
else lobby();

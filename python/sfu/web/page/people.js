// From the client's state to the tiles that are to be seen: one for each person, one for each screen.

/**
 * @typedef {object} TileView
 * @property {string} key
 * @property {"person" | "screen"} kind
 * @property {boolean} own
 * @property {boolean} large
 * @property {string} session
 * @property {string} identity
 * @property {string} name
 * @property {object | null} track the video's `track` of docs/signaling.md
 * @property {object | null} subscription
 * @property {MediaStreamTrack | null} media
 * @property {boolean} silent no microphone, or a muted one
 * @property {boolean} speaking
 * @property {boolean} mirrored
 * @property {boolean} away the participant's media path is down
 * @property {string | null} notice shown instead of a picture
 */

/**
 * @param {import("./sfu.js").Client} client
 * @param {import("./media.js").LocalMedia} media
 * @param {string | null} pinned a tile's key
 * @returns {TileView[]} others by their order of joining, oneself last
 */
export function tilesOf(client, media, pinned) {
  const tiles = [];
  const byAge = [...client.participants.values()].sort((a, b) => age(a) - age(b));
  const others = byAge.filter((one) => one.session !== client.session);
  for (const participant of others) tiles.push(...theirs(client, participant));
  const self = client.participants.get(client.session);
  // Who may only watch needs no tile of their own.
  if (self && (client.permissions.publish || others.length === 0)) tiles.push(...ours(client, self, media));
  const pin = tiles.find((one) => one.key === pinned);
  for (const tile of tiles) tile.large = pin ? tile === pin : tile.kind === "screen" && !tile.own;
  // Screens first: they keep their place when people come and go.
  return tiles.sort((a, b) => Number(b.large) - Number(a.large));
}

/** What a participant is called. */
export function called(participant) {
  return participant.name || participant.identity;
}

function age({ session }) {
  return Number(session) || 0;
}

function theirs(client, participant) {
  const tracks = [...client.tracks.values()].filter((one) => one.session === participant.session);
  const videos = tracks.filter((one) => one.kind === "video");
  const cameras = videos.filter((one) => one.source !== "screen");
  const screens = videos.filter((one) => one.source === "screen");
  const microphone = tracks.find((one) => one.kind === "audio" && one.source !== "screen_audio");
  const shared = {
    ...about(client, participant),
    own: false,
    mirrored: false,
    silent: !microphone || microphone.muted || microphone.muted_by_server,
    away: participant.state === "disconnected",
  };
  const [camera = null, ...further] = cameras;
  return [
    { ...shared, key: `person ${participant.session}`, kind: "person", ...received(client, camera) },
    // A second camera is a person's tile too, but nobody's voice comes from it.
    ...further.map((track) => ({
      ...shared, key: `track ${track.track}`, kind: "person", speaking: false, silent: false, ...received(client, track),
    })),
    ...screens.map((track) => ({
      ...shared, key: `track ${track.track}`, kind: "screen", speaking: false, silent: false, ...received(client, track),
    })),
  ];
}

function ours(client, self, media) {
  const own = { ...about(client, self), own: true, subscription: null, away: false, notice: null };
  const published = (source) =>
    [...client.publications].find((one) => one.source === source && one.kind === "video")?.track ?? null;
  const tiles = [{
    ...own,
    key: `person ${self.session}`,
    kind: "person",
    track: published("camera"),
    media: media.cameraOn ? media.camera : null,
    mirrored: media.mirrored,
    silent: !media.microphoneOn,
  }];
  if (media.screen) {
    tiles.push({
      ...own, key: "own screen", kind: "screen", track: published("screen"), media: media.screen,
      mirrored: false, silent: false, speaking: false,
    });
  }
  return tiles;
}

function about(client, participant) {
  const { session, identity } = participant;
  return { session, identity, name: called(participant), speaking: client.speakers.some((one) => one.session === session) };
}

function received(client, track) {
  if (!track) return { track: null, subscription: null, media: null, notice: null };
  const subscription = client.subscriptions.get(track.track) ?? null;
  const dark = track.muted || track.muted_by_server || subscription?.problem;
  return { track, subscription, media: dark ? null : client.media(track.track), notice: notice(track, subscription) };
}

function notice(track, subscription) {
  if (subscription?.problem === "codec_unsupported") {
    return `This browser cannot play ${subscription.codec ?? track.codec ?? "this video"}.`;
  }
  if (subscription?.problem) return "This video could not be received.";
  if (track.muted_by_server) return "Video was stopped by a moderator.";
  if (subscription?.layer === null && subscription.reason === "bandwidth") return "Paused: your connection is too slow for it";
  if (track.stalled && !track.muted) return "No video for a moment";
  return null;
}

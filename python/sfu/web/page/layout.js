// Where the tiles go: a pure function of the stage's size and of who is there. No elements here.

/** @typedef {{x: number, y: number, w: number, h: number}} Box */

const GAP = 8;
/** Tiles may be cropped to anything between these shapes (width by height): more on a tall stage than on a wide one. */
const TALLEST = { onTall: 0.75, onWide: 1.25 };
const WIDEST = 16 / 9;
/** What a filled screen counts against an uncut picture. Higher: fewer dark edges. Lower: less cropping. */
const FILLING = { onTall: 2, onWide: 0.35 };
/** The shape of tiles in a strip below. */
const STRIP = 4 / 3;
/** The stage below which one's own picture floats over the only other one. */
const SMALL = 480;

/**
 * @param {object} stage
 * @param {number} stage.width
 * @param {number} stage.height
 * @param {{key: string, large: boolean, own: boolean}[]} tiles in their order
 * @returns {Map<string, Box & {floating?: boolean}>} by key
 */
export function arrange({ width, height }, tiles) {
  const large = tiles.filter((one) => one.large);
  const rest = tiles.filter((one) => !one.large);
  if (large.length && rest.length) return withStrip({ width, height }, large, rest);
  const own = tiles.find((one) => one.own);
  if (tiles.length === 2 && own && !large.length && Math.min(width, height) < SMALL) {
    return floating({ width, height }, tiles.find((one) => one !== own), own);
  }
  const shapes = large.length ? [WIDEST, WIDEST] : [width > height ? TALLEST.onWide : TALLEST.onTall, WIDEST];
  return place(tiles, { x: 0, y: 0, w: width, h: height }, shapes, large.length > 0);
}

/** The large ones, and a strip of everybody: beside on a wide stage, below on a tall one; a single line while it can be. */
function withStrip({ width, height }, large, rest) {
  const beside = width > height * 1.15;
  const [along, across] = beside ? [height, width] : [width, height];
  const each = (along - GAP * (rest.length - 1)) / rest.length;
  const line = beside ? each * WIDEST : each / STRIP;
  const share = 0.22 + 0.12 * Math.min(1, rest.length / 12);
  const strip = Math.round(rest.length <= 5 ? Math.min(line, across * 0.24) : Math.min(across * share, 460));
  const main = beside ? { x: 0, y: 0, w: width - strip - GAP, h: height } : { x: 0, y: 0, w: width, h: height - strip - GAP };
  const side = beside ? { x: width - strip, y: 0, w: strip, h: height } : { x: 0, y: height - strip, w: width, h: strip };
  return new Map([...place(large, main, [WIDEST, WIDEST], true), ...place(rest, side, [1, WIDEST])]);
}

function floating({ width, height }, other, own) {
  const tall = height > width;
  const w = Math.round(tall ? Math.min(width * 0.3, 150) : Math.min(width * 0.22, 180));
  const h = Math.round(tall ? w * 1.35 : w / 1.6);
  return new Map([
    [other.key, { x: 0, y: 0, w: width, h: height }],
    [own.key, { x: width - w - 12, y: 12, w, h, floating: true }],
  ]);
}

/** A grid inside `box` with the number of columns that shows most; the last row is centred. */
function place(tiles, box, [tallest, widest], fill = false) {
  const filling = FILLING[box.h > box.w ? "onTall" : "onWide"];
  const best = { area: -1, columns: 1, w: 0, h: 0 };
  for (let columns = 1; columns <= tiles.length; columns++) {
    const rows = Math.ceil(tiles.length / columns);
    const cellW = (box.w - GAP * (columns - 1)) / columns;
    const cellH = (box.h - GAP * (rows - 1)) / rows;
    if (cellW <= 0 || cellH <= 0) continue;
    const w = fill ? cellW : Math.min(cellW, cellH * widest);
    const h = fill ? cellH : Math.min(cellH, cellW / tallest);
    // What is seen of a 16:9 picture in it, and how much of the screen it fills: a tall tile is large but cuts people off.
    const area = Math.min(w, h * WIDEST) * Math.min(h, w / WIDEST) + filling * w * h;
    if (area > best.area) Object.assign(best, { area, columns, w, h });
  }
  const { columns, w, h } = best;
  const rows = Math.ceil(tiles.length / columns);
  const top = box.y + (box.h - rows * h - GAP * (rows - 1)) / 2;
  return new Map(tiles.map(({ key }, index) => {
    const row = Math.floor(index / columns);
    const inRow = row === rows - 1 ? tiles.length - row * columns : columns;
    const left = box.x + (box.w - inRow * w - GAP * (inRow - 1)) / 2;
    const column = index - row * columns;
    return [key, {
      x: Math.round(left + column * (w + GAP)),
      y: Math.round(top + row * (h + GAP)),
      w: Math.floor(w),
      h: Math.floor(h),
    }];
  }));
}

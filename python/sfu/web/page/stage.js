// All tiles: made, updated, placed and removed to follow a list of TileViews. The only place that measures the stage.

import { h } from "./dom.js";
import { arrange } from "./layout.js";
import { Tile } from "./tile.js";

export class Stage {
  #tiles = new Map();
  #views = [];
  #actions;
  #hint;

  /** @param {object} actions what a Tile asks for @param {HTMLElement} hint shown while nobody else is here */
  constructor(actions, hint) {
    this.#actions = actions;
    this.#hint = hint;
    this.element = h("section", { class: "stage", "aria-label": "People" }, hint);
    new ResizeObserver(() => this.#place(false)).observe(this.element);
  }

  /** @param {import("./people.js").TileView[]} views */
  show(views) {
    const keys = new Set(views.map((one) => one.key));
    for (const [key, tile] of this.#tiles) {
      if (!keys.has(key)) {
        tile.remove();
        this.#tiles.delete(key);
      }
    }
    for (const view of views) {
      if (!this.#tiles.has(view.key)) {
        const tile = new Tile(this.#actions);
        this.#tiles.set(view.key, tile);
        tile.fresh = true;
        this.element.append(tile.element);
      }
      this.#tiles.get(view.key).show(view);
    }
    const shape = (list) => list.map((one) => `${one.key} ${one.large}`).join();
    const changed = shape(views) !== shape(this.#views);
    this.#views = views;
    this.#hint.hidden = views.some((one) => !one.own);
    if (changed) this.#place(true);
  }

  /** @param {string} key @returns {Tile | undefined} */
  tile(key) {
    return this.#tiles.get(key);
  }

  get views() {
    return this.#views;
  }

  #place(animated) {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (width === 0 || height === 0) return;
    for (const [key, box] of arrange({ width, height }, this.#views)) {
      const tile = this.#tiles.get(key);
      tile?.place(box, animated && !tile.fresh);
      if (tile) tile.fresh = false;
    }
  }
}

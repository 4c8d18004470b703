// Typed-by-convention events for objects that are not part of the document: `on` returns its own undoing.

/** Something that tells others what happens to it. */
export class Emitter {
  #listeners = new Map();

  /**
   * Call `listener` for every event of this `type`.
   * @param {string} type
   * @param {(detail: any) => void} listener
   * @returns {() => void} stops listening
   */
  on(type, listener) {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  /** @param {string} type @param {any} [detail] */
  emit(type, detail) {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) {
      // One listener's mistake must not stop the protocol: the console shows it, the others go on.
      try {
        listener(detail);
      } catch (error) {
        console.error(error);
      }
    }
  }
}

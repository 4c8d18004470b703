// The WebSocket below a Client: one at a time, opened again with back-off until it is closed on purpose.
// It knows `join`/`joined`, `request` numbers and `ping`; everything else is handed up as it comes.
// Invariant: a message goes out only between `joined` and the loss of the same socket.

/** Milliseconds before each further attempt. Higher: a kinder crowd after a restart. Lower: a shorter gap. */
const BACK_OFF = [200, 500, 1000, 2000, 4000];
/** The server drops a socket after 60 s of silence (docs/signaling.md). */
const PING_EVERY = 20_000;
/** Higher: tolerates a stalled network. Lower: notices a dead one sooner. */
const PATIENCE = 8_000;

/** A request that was refused (`code` of docs/signaling.md) or whose answer was lost (`lost`). */
export class RequestError extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.name = "RequestError";
    this.code = code;
  }
}

export class Link {
  #options;
  #socket = null;
  #joined = false;
  #attempt = 0;
  #retry = 0;
  #watch = 0;
  #pinger = 0;
  #number = 0;
  #requests = new Map();

  /**
   * @param {object} options
   * @param {string} options.url
   * @param {() => object} options.hello the `join` message of each attempt
   * @param {(message: object, first: boolean) => void} options.onMessage `first`: the `joined` of a new socket
   * @param {(error: RequestError) => void} options.onRefused `join` was refused; nothing is tried again by itself
   * @param {(delay: number) => void} options.onLost the next attempt is in `delay` ms
   */
  constructor(options) {
    this.#options = options;
  }

  /** Whether messages go out now. */
  get open() {
    return this.#joined;
  }

  /** Open a socket now, instead of one that is there or waited for. */
  connect() {
    this.#drop();
    const socket = new WebSocket(this.#options.url);
    this.#socket = socket;
    socket.onopen = () => socket.send(JSON.stringify({ type: "join", ...this.#options.hello() }));
    socket.onmessage = ({ data }) => socket === this.#socket && this.#receive(JSON.parse(data));
    socket.onclose = () => socket === this.#socket && this.#lost();
    this.#watch = setTimeout(() => this.#lost(), PATIENCE);
  }

  /** Try at once if an attempt is being waited for (the network is back). */
  hurry() {
    if (this.#retry) this.connect();
  }

  /** @param {object} message @returns {boolean} whether it went out */
  send(message) {
    if (this.#joined) this.#socket.send(JSON.stringify(message));
    return this.#joined;
  }

  /** Send and wait for the answer. @param {object} message @returns {Promise<object>} */
  request(message) {
    return new Promise((resolve, reject) => {
      const request = ++this.#number;
      this.#requests.set(request, { resolve, reject });
      if (!this.send({ ...message, request })) this.#settle({ request, code: "lost", message: "not connected" });
    });
  }

  /** Close for good. */
  close() {
    this.#drop();
  }

  #receive(message) {
    clearTimeout(this.#watch);
    const first = message.type === "joined" && !this.#joined;
    if (first) {
      this.#joined = true;
      this.#attempt = 0;
      this.#pinger = setInterval(() => this.#ping(), PING_EVERY);
    } else if (message.type === "error" && !this.#joined) {
      this.#drop();
      this.#options.onRefused(new RequestError(message.code, message.message));
      return;
    }
    if (message.type === "pong" || this.#settle(message)) return;
    this.#options.onMessage(message, first);
  }

  #settle(message) {
    const waiting = this.#requests.get(message.request);
    if (!waiting) return false;
    this.#requests.delete(message.request);
    if (message.code) waiting.reject(new RequestError(message.code, message.message));
    else waiting.resolve(message);
    return true;
  }

  #ping() {
    clearTimeout(this.#watch);
    if (this.send({ type: "ping", time: Date.now() / 1000 })) this.#watch = setTimeout(() => this.#lost(), PATIENCE);
  }

  #lost() {
    this.#drop();
    const delay = BACK_OFF[Math.min(this.#attempt++, BACK_OFF.length - 1)] * (0.75 + Math.random() / 2);
    this.#retry = setTimeout(() => this.connect(), delay);
    this.#options.onLost(delay);
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#joined = false;
    clearTimeout(this.#watch);
    clearTimeout(this.#retry);
    clearInterval(this.#pinger);
    this.#retry = 0;
    socket?.close();
    for (const request of [...this.#requests.keys()]) {
      this.#settle({ request, code: "lost", message: "the connection was lost before the answer" });
    }
  }
}

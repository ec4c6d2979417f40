// Listens to Argus over a WebSocket, comes back after a broken connection, goes on where it was,
// and proves that it misses nothing. In a browser see listen.html; with Node 22 or later:
//
//   node listen.mjs ws://127.0.0.1:8001/ws/market_data 600519.SH 000001.SZ
//
// A key, where the server asks for one, stands in the environment variable ARGUS_API_KEY.

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;
const NOT_ALLOWED = 4001;

export class Listener {
  // `onItem` is called with each item, and whether it is a snapshot; `onNote` with a sentence
  // whenever something must be known beside the values. A browser cannot set headers: the key
  // goes in the first message.
  constructor(url, symbols, { channel = "quotes", key = null, onItem, onNote } = {}) {
    Object.assign(this, { url, symbols, channel, key, onItem, onNote });
    this.epoch = null;
    this.seq = new Map(); // the number of the last item of each symbol, within the epoch
    this.announced = new Map(); // updates since then that we were told we do not get
    this.pause = FIRST_PAUSE;
    this.wait = null; // the pause that a server asked for before it ended
    this.stopped = false;
  }

  start() {
    const socket = new WebSocket(this.url, ["argus.v2"]);
    this.socket = socket;
    socket.onopen = () => {
      this.pause = FIRST_PAUSE;
      if (this.key) this.say({ action: "auth", key: this.key });
      const wanted = { action: "subscribe", channel: this.channel, symbols: this.symbols };
      if (this.epoch) wanted.since = { epoch: this.epoch, seq: Object.fromEntries(this.seq) };
      this.say(wanted);
    };
    socket.onmessage = (event) => this.hear(JSON.parse(event.data));
    socket.onclose = (event) => this.closed(event.code, event.reason);
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    this.socket?.close();
  }

  say(message) {
    this.socket.send(JSON.stringify(message));
  }

  closed(code, reason) {
    if (this.stopped) return;
    this.onNote(`the connection ended: ${code} ${reason}`);
    if (code === NOT_ALLOWED) return; // the same key would be refused again
    // Thousands lose their connections at once: chance keeps them from coming back at once.
    this.timer = setTimeout(() => this.start(), this.wait ?? Math.random() * this.pause);
    this.wait = null;
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
  }

  hear(told) {
    switch (told.type) {
      case "subscribed":
        this.begin(told);
        break;
      case "snapshot":
      case "update":
        this.take(told);
        break;
      case "status":
        this.onNote(`${told.state}: ${told.source ?? told.reason}`);
        break;
      case "gap":
        this.onNote(`something may be missing of ${told.symbols}: ${told.reason}`);
        break;
      case "shutdown":
        this.wait = told.reconnect_after_ms;
        break;
      case "error":
        this.onNote(`${told.code}: ${told.message}`);
        this.wait = 1000 + Math.random() * 2000;
        this.socket.close(); // and try once more
        break;
      default: // what is not known is not for us
    }
  }

  // What happened while we were away.
  begin(told) {
    for (const one of told.rejected) this.onNote(`${one.symbol} cannot be heard: ${one.message}`);
    if (told.epoch !== this.epoch) {
      this.epoch = told.epoch;
      this.seq.clear();
    }
    this.announced.clear();
    for (const [symbol, missed] of Object.entries(told.missed ?? {})) {
      if (missed === null) {
        this.seq.delete(symbol);
        this.onNote(`${symbol}: what was missed is not known`);
      } else if (missed > 0) {
        this.announced.set(symbol, missed);
        this.onNote(`${symbol}: ${missed} updates missed`);
      }
    }
    for (const [symbol, seq] of Object.entries(told.seq)) {
      if (!this.seq.has(symbol)) this.seq.set(symbol, seq);
    }
  }

  take(told) {
    const snapshot = told.type === "snapshot";
    for (const counts of [told.conflated ?? {}, told.lost ?? {}]) {
      for (const [symbol, count] of Object.entries(counts)) {
        this.announced.set(symbol, (this.announced.get(symbol) ?? 0) + count);
      }
    }
    for (const item of told.data) {
      const { symbol, seq } = item;
      const announced = this.announced.get(symbol) ?? 0;
      this.announced.delete(symbol);
      const last = this.seq.get(symbol);
      if (!snapshot && last !== undefined) {
        const missing = seq - last - 1;
        if (missing < 0 || missing > announced) {
          this.onNote(`${symbol}: ${seq} after ${last}, and ${announced} were announced`);
        } else if (missing < announced) {
          this.announced.set(symbol, announced - missing);
        }
      }
      this.seq.set(symbol, seq);
      this.onItem(item, snapshot);
    }
  }
}

if (typeof process !== "undefined" && process.argv[1]?.endsWith("listen.mjs")) {
  const [url, ...symbols] = process.argv.slice(2);
  if (url === undefined || symbols.length === 0) {
    console.error("usage: node listen.mjs URL SYMBOL…");
    process.exit(2);
  }
  new Listener(url, symbols, {
    key: process.env.ARGUS_API_KEY,
    onItem: (item, snapshot) => console.log(snapshot ? "=" : "+", JSON.stringify(item)),
    onNote: (note) => console.log("#", note),
  }).start();
}

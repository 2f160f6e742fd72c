// One connection for all tabs of a site, so that the six that a browser has for
// a server under HTTP/1.1 are not used up.
//
// The tab that holds a Web Lock leads: it has the connection, to everything that
// the tabs want, and tells the others over a BroadcastChannel what came behind
// which position. A tab that wants something else says so; the leader takes it
// in, or the tab has a connection of its own.

import {Connection, IDLE} from "./feed-connection.js";
import {Refusal, readPage, spread} from "./feed-pages.js";

/** @typedef {import("./feed.js").Item} Item
 * @typedef {import("./feed.js").State} State
 * @typedef {import("./feed-connection.js").Batch} Batch
 *
 * @typedef {object} Want what a tab wants of the connection
 * @property {string[]} terms of the selector
 * @property {string} event the names, as in the query; "" for all
 *
 * @typedef {object} Reader
 * @property {string} cursor everything that it wants was handed on up to here
 * @property {(batch: Batch) => void} take what it wants of what came
 * @property {(state: State) => void} show
 * @property {() => void} ask it has to ask the server for what it missed
 */

/** How long the tab that leads may take to answer, in ms. */
const ANSWER = 5_000;
/** How many terms the connection has at most: a server takes 256, and a URL has
 * its limits. */
const TERMS = 64;
/** How many of them are patterns at most: a server takes 16 from a reader without
 * a key. */
const PATTERNS = 16;
/** How long the tab that leads goes on with what it has before it asks anew who
 * wants what, in ms. */
const ANEW = 60_000;
/** How long after a refusal each tab makes sure that it was not for what it
 * wants, before it says that again, in ms. Another refusal meanwhile was for
 * the whole. */
const DOUBT = 60_000;
/** Tabs that speak in another way do not hear each other. */
const PROTOCOL = 2;

/** Whether tabs can share a connection here. They cannot on a site that is
 * neither HTTPS nor on this machine. */
export const canShare = Boolean(globalThis.BroadcastChannel && globalThis.navigator?.locks);

/**
 * Keeps a reader up with what the connection brings, until the signal.
 *
 * @param {URL} url of the reader's feed
 * @param {Reader} reader
 * @param {AbortSignal} signal
 * @throws {Refusal}
 */
export function share(url, reader, signal) {
  return new Tab(url, reader, signal).run();
}

class Tab {
  #patience; // a timer: the leader is expected to say something
  #lonely; // a timer: the leader is expected to bring what is wanted
  #leading = false;
  /** @type {(err: unknown) => void} ends it all */
  #fail = () => {};
  /** It has the lock, or waits for it. */
  #hold = new AbortController();
  /** @type {Connection | undefined} */
  #connection;
  /** What the connection brings, as the leader's messages say. */
  #union = "";
  #covered = false;
  #own = false; // it has given up on sharing
  #checking = false; // whether it may have what it wants

  /**
   * @param {URL} url
   * @param {Reader} reader
   * @param {AbortSignal} signal
   */
  constructor(url, reader, signal) {
    this.url = url;
    this.reader = reader;
    this.signal = signal;
    const {site, want} = wantOf(url);
    this.site = site;
    this.want = want;
    this.wants = matcher(want);
    // Of a leader: what the connection brings, and how it is.
    this.union = want;
    this.closed = false; // to what others want
    this.refused = 0; // when the connection was, perhaps for what one of them wants
    this.since = 0; // when it was last asked anew who wants what
    /** @type {State} */
    this.state = {is: "connecting"};
    this.channel = new BroadcastChannel(`feedd ${PROTOCOL} ${site}`);
  }

  /** Ends with the signal.
   * @returns {Promise<void>} */
  run() {
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      this.signal.addEventListener("abort", () => {
        clearTimeout(this.#patience);
        clearTimeout(this.#lonely);
        this.#hold.abort();
        this.channel.close();
        resolve();
      });
      this.channel.onmessage = ({data}) => this.#hear(data);
      globalThis.document?.addEventListener("visibilitychange", () => {
        if (document.visibilityState === "visible" && !this.#leading) this.#ask();
      }, {signal: this.signal});
      this.#line();
      this.#ask();
    });
  }

  #tell(message) {
    if (!this.signal.aborted) this.channel.postMessage(message);
  }

  // Where another tab leads.

  /** Asks the leader for what this tab wants, and for its state. Who gets no
   * answer takes the lock away: the leader may have been put to sleep with it. */
  #ask() {
    if (this.#own) return;
    this.#want();
    this.#expect(() => this.#line({steal: true}), spread(ANSWER));
  }

  #expect(otherwise, ms) {
    clearTimeout(this.#patience);
    if (!this.signal.aborted && !this.#leading && !this.#own) this.#patience = setTimeout(otherwise, ms);
  }

  #hear({want, union, doubted, state, batch, cursor}) {
    if (this.#own) return;
    if (want) {
      if (this.#leading) this.#include(want);
      return;
    }
    if (this.#leading) return; // one that is to find out that it leads no more
    const before = this.#union;
    this.#union = union;
    this.#covered = union === before ? this.#covered : covers(JSON.parse(union), this.want);
    this.#expect(() => this.#ask(), IDLE);
    if (!this.#covered) {
      if (union !== before) this.#want(doubted);
      this.#lonely ??= setTimeout(() => this.#alone(), ANSWER);
      return;
    }
    clearTimeout(this.#lonely);
    this.#lonely = undefined;
    if (batch) this.#take(batch);
    if (!state) return;
    this.reader.show(state);
    if (cursor !== this.reader.cursor) this.reader.ask();
  }

  /** Says what this tab wants; where somebody's wish was refused, as soon as it
   * is clear that it was not this one.
   * @param {boolean} [doubted] */
  async #want(doubted) {
    if (this.#checking) return;
    try {
      this.#checking = true;
      if (doubted) await readPage(this.url, {last_event_id: this.reader.cursor, limit: "1"}, this.signal);
    } catch (err) {
      if (err instanceof Refusal) {
        this.#fail(err);
        return;
      }
    } finally {
      this.#checking = false;
    }
    if (!this.#own) this.#tell({want: this.want});
  }

  #take(batch) {
    this.reader.take({...batch, items: batch.items.filter(this.wants)});
  }

  /** Has a connection of its own: the leader's does not bring what this tab
   * wants. */
  #alone() {
    this.#lonely = undefined;
    if (this.#leading) return;
    this.#own = true;
    clearTimeout(this.#patience);
    this.#hold.abort();
    const {take, show, cursor} = this.reader;
    new Connection(this.url, cursor, this.signal, take, show).run().catch(this.#fail);
  }

  // Where this tab leads.

  /** Waits for the lock, or takes it away, and leads.
   * @param {LockOptions} [options] */
  async #line(options) {
    this.#hold.abort();
    const hold = this.#hold = new AbortController();
    try {
      // A request for a lock is given up by its signal, but none that steals.
      await navigator.locks.request(this.channel.name, options ?? {signal: hold.signal}, () => this.#lead(hold.signal));
    } catch (err) {
      if (err instanceof DOMException && err.name === "AbortError") {
        this.#yield(hold);
      } else {
        this.#fail(err);
      }
    }
  }

  /** Somebody took the lock away, or this tab waits no more. */
  #yield(hold) {
    if (hold !== this.#hold || hold.signal.aborted || this.signal.aborted) return;
    this.#leading = false;
    this.#connection = undefined;
    this.#line();
    this.#ask();
  }

  /** Keeps up the connection, until the signal. */
  async #lead(signal) {
    clearTimeout(this.#patience);
    clearTimeout(this.#lonely);
    this.#lonely = undefined;
    this.#leading = true;
    this.union = this.want;
    this.closed = false;
    this.refused = 0;
    while (!signal.aborted) {
      try {
        await this.#connect(signal);
      } catch (err) {
        // What one tab wants may be refused, also later. It learns that alone;
        // if the others cannot come together again, it was the whole.
        if (!(err instanceof Refusal) || this.union === this.want) throw err;
        this.union = this.want;
        this.closed = this.#doubted();
        this.refused = Date.now();
      }
    }
  }

  async #connect(signal) {
    const connection = new Connection(urlOf(this.site, this.url, this.union), this.reader.cursor, signal, batch => {
      if (signal.aborted) return;
      this.#tell({union: JSON.stringify(this.union), batch});
      this.#take(batch);
    }, state => {
      if (signal.aborted) return;
      this.state = state;
      this.reader.show(state);
      this.#tellState(connection);
    });
    this.#connection = connection;
    await connection.run();
  }

  /** Whether what others want is perhaps refused. A connection to some of it
   * tells nothing of the rest. */
  #doubted() {
    return Date.now() - this.refused < DOUBT;
  }

  #tellState({cursor}) {
    this.#tell({union: JSON.stringify(this.union), doubted: this.#doubted(), state: this.state, cursor});
  }

  /** Takes in what another tab wants.
   * @param {Want} want */
  #include(want) {
    if (!this.#connection) return;
    let union = unionOf(this.union, want);
    if (!fits(union) && Date.now() - this.since > ANEW) {
      // Much of it may be of tabs that are gone. Those that are there say so again.
      union = unionOf(this.want, want);
      this.since = Date.now();
    }
    if (!covers(this.union, want) && !this.closed && fits(union)) {
      this.union = union;
      this.#connection.aim(urlOf(this.site, this.url, union));
    }
    this.#tellState(this.#connection);
  }
}

/** Where the feed is, which tabs must have in common, and what is wanted there.
 * @param {URL} url
 * @returns {{site: string, want: Want}} */
function wantOf(url) {
  const path = /^(.*\/feeds\/)([^/]+)$/.exec(url.pathname);
  const names = [...url.searchParams.keys()];
  // What is not known to be a selector can only be shared as it is.
  if (!path || names.some(name => name !== "event")) return {site: url.href, want: {terms: [], event: ""}};
  const terms = decodeURIComponent(path[2]).split(",");
  // feedd's own feeds have positions of their own.
  const own = terms.some(term => term.startsWith("_")) ? " own" : "";
  return {site: url.origin + path[1] + own, want: {terms, event: url.searchParams.getAll("event").join(",")}};
}

/** The URL of what is wanted on a site; one is that of one of the tabs.
 * @param {Want} want
 * @returns {URL} */
function urlOf(site, one, want) {
  if (!want.terms.length) return one;
  const url = new URL(site.replace(/ own$/, "") + encodeURIComponent(want.terms.join(",")));
  if (want.event) url.searchParams.set("event", want.event);
  return url;
}

/** Whether one connection brings so much.
 * @param {Want} union */
function fits({terms}) {
  return terms.length <= TERMS && terms.filter(term => term.includes("*")).length <= PATTERNS;
}

/** @param {Want} union
 * @param {Want} want */
function covers(union, want) {
  return want.terms.every(term => union.terms.includes(term)) && (!union.event || union.event === want.event);
}

/** @param {Want} a
 * @param {Want} b
 * @returns {Want} */
function unionOf(a, b) {
  return {terms: [...new Set([...a.terms, ...b.terms])].sort(), event: a.event === b.event ? a.event : ""};
}

/** Whether an item is wanted, as the server says it: in a pattern * is one whole
 * token, and ** at the end one or more; patterns match no names with _ in front.
 * @param {Want} want
 * @returns {(item: Item) => boolean} */
function matcher({terms, event}) {
  const patterns = terms.map(term => {
    const tokens = term.split(".").map(token => token === "*" ? "[^.]+" : token === "**" ? ".+" : token);
    return (term.includes("*") ? "(?!_)" : "") + tokens.join("\\.");
  });
  const feeds = new RegExp(`^(?:${patterns.join("|")})$`);
  const events = event && event.split(",");
  return item => (!terms.length || feeds.test(item.feed)) && (!events || events.includes(item.event ?? "message"));
}

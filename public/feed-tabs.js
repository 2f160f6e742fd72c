// One connection for all tabs of a site, so that they do not use up the six that
// a browser opens to a server under HTTP/1.1.
//
// The tab that holds a Web Lock leads. It has the connection, to the union of
// what the tabs want, and tells the other tabs over a BroadcastChannel what
// came behind which position. A tab that wants something else says so: either
// the leader adds it to the union, or that tab opens a connection of its own.

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
 * @property {(batch: Batch) => void} take takes what it wants of what came
 * @property {(state: State) => void} show
 * @property {() => void} ask asks the server for what the reader missed
 *
 * @typedef {object} Message from tab to tab: a want, or what the leader says
 * @property {Want} [want]
 * @property {string} [union] what the connection brings, as JSON
 * @property {boolean} [doubted] the server may refuse what some tab wants
 * @property {State} [state] of the connection, at this cursor
 * @property {string} [cursor]
 * @property {Batch} [batch]
 */

/** How long the leader may take to answer, in ms. A tab in the background may
 * run its timers only once a second; one that takes five was put to sleep. */
const ANSWER = 5_000;
/** How many terms the union has at most: a server takes 256, but proxies take
 * URLs of 8 KiB, which 64 long names nearly fill. */
const TERMS = 64;
/** How many of them are patterns at most: a server takes 16 from a reader without
 * a key. */
const PATTERNS = 16;
/** How often, in ms, the leader may begin the union anew because it is full.
 * Each time all tabs have to say again what they want, so it must be rare. */
const ANEW = 60_000;
/** How long the leader doubts, in ms, after the server refused the union. A
 * single tab's want may have been the reason, so each tab first asks the server
 * for its own want alone, and tells the leader only if that is allowed. If the
 * union is refused again within this time, the reason is the union itself, and
 * the leader keeps to what its own tab wants. */
const DOUBT = 60_000;
/** The version of the messages, which is raised when they change. So tabs with
 * an older script do not hear tabs with a newer one. */
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

/** @typedef {ReturnType<typeof setTimeout>} Timer */

class Tab {
  /** @type {Timer | undefined} the leader is expected to say something */
  #patience;
  /** @type {Timer | undefined} the leader is expected to bring what is wanted */
  #lonely;
  #leading = false;
  /** @type {(err: unknown) => void} ends it all */
  #fail = () => {};
  /** It has the lock, or waits for it. */
  #hold = new AbortController();
  /** @type {Connection | undefined} */
  #connection;
  /** What the connection brings, as the leader's messages say. */
  #union = "";
  #covered = false; // the union has all that this tab wants
  #own = false; // it has given up on sharing
  #checking = false; // it is asking the server whether it may have what it wants

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
    this.closed = false; // to what other tabs want
    this.refusedAt = 0; // when the server refused the union
    this.anewAt = 0; // when the union was last begun anew
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

  /** @param {Message} message */
  #tell(message) {
    if (!this.signal.aborted) this.channel.postMessage(message);
  }

  // In a tab that follows.

  /** Asks the leader for what this tab wants, and for its state. A tab that gets
   * no answer takes the lock: the browser may have put the leader to sleep. */
  #ask() {
    if (this.#own) return;
    this.#want();
    this.#expect(() => this.#line({steal: true}), spread(ANSWER));
  }

  /** Does something unless the leader says something within a time.
   * @param {() => void} otherwise
   * @param {number} ms */
  #expect(otherwise, ms) {
    clearTimeout(this.#patience);
    if (!this.signal.aborted && !this.#leading && !this.#own) this.#patience = setTimeout(otherwise, ms);
  }

  /** @param {Message} message */
  #hear({want, union, doubted, state, batch, cursor}) {
    if (this.#own) return;
    if (want) {
      if (this.#leading) this.#include(want);
      return;
    }
    // A leader hears another leader after that took the lock away, and is about
    // to be told.
    if (this.#leading || union === undefined) return;
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

  /** Tells the leader what this tab wants.
   * @param {boolean} [doubted] the server may refuse that, so it is asked
   *   first; if it refuses, this tab ends */
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

  /** @param {Batch} batch */
  #take(batch) {
    this.reader.take({...batch, items: batch.items.filter(this.wants)});
  }

  /** Opens a connection of its own, because the leader's does not bring what this
   * tab wants. */
  #alone() {
    this.#lonely = undefined;
    if (this.#leading) return;
    this.#own = true;
    clearTimeout(this.#patience);
    this.#hold.abort();
    const {take, show, cursor} = this.reader;
    new Connection(this.url, cursor, this.signal, take, show).run().catch(this.#fail);
  }

  // In the tab that leads.

  /** Waits for the lock, or takes it away, and leads.
   * @param {LockOptions} [options] */
  async #line(options) {
    this.#hold.abort();
    const hold = this.#hold = new AbortController();
    try {
      // A signal ends a request for a lock, but the API allows no signal in a
      // request that steals the lock.
      await navigator.locks.request(this.channel.name, options ?? {signal: hold.signal}, () => this.#lead(hold.signal));
    } catch (err) {
      if (err instanceof DOMException && err.name === "AbortError") {
        this.#yield(hold);
      } else {
        this.#fail(err);
      }
    }
  }

  /** Another tab took the lock away, or this one does not wait for it any more.
   * @param {AbortController} hold */
  #yield(hold) {
    if (hold !== this.#hold || hold.signal.aborted || this.signal.aborted) return;
    this.#leading = false;
    this.#connection = undefined;
    this.#line();
    this.#ask();
  }

  /** Keeps up the connection, until the signal.
   * @param {AbortSignal} signal */
  async #lead(signal) {
    clearTimeout(this.#patience);
    clearTimeout(this.#lonely);
    this.#lonely = undefined;
    this.#leading = true;
    this.union = this.want;
    this.closed = false;
    this.refusedAt = 0;
    while (!signal.aborted) {
      try {
        await this.#connect(signal);
      } catch (err) {
        // The server may refuse what one tab wants, and that tab finds this out
        // by itself. So begin with this tab's want; if the union is refused
        // again, see DOUBT.
        if (!(err instanceof Refusal) || this.union === this.want) throw err;
        this.union = this.want;
        this.closed = this.#doubted();
        this.refusedAt = Date.now();
      }
    }
  }

  /** @param {AbortSignal} signal */
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

  /** Whether the server may refuse what other tabs want. A connection to a part of
   * it says nothing about the rest. */
  #doubted() {
    return Date.now() - this.refusedAt < DOUBT;
  }

  /** @param {Connection} connection */
  #tellState({cursor}) {
    this.#tell({union: JSON.stringify(this.union), doubted: this.#doubted(), state: this.state, cursor});
  }

  /** Adds what another tab wants to the union.
   * @param {Want} want */
  #include(want) {
    if (!this.#connection) return;
    let union = unionOf(this.union, want);
    if (!fits(union) && Date.now() - this.anewAt > ANEW) {
      // Much of the union may come from tabs that are gone. The tabs that are
      // left say again what they want.
      union = unionOf(this.want, want);
      this.anewAt = Date.now();
    }
    if (!covers(this.union, want) && !this.closed && fits(union)) {
      this.union = union;
      this.#connection.aim(urlOf(this.site, this.url, union));
    }
    this.#tellState(this.#connection);
  }
}

/** The site of a feed, which tabs must have in common, and what is wanted there.
 * @param {URL} url
 * @returns {{site: string, want: Want}} */
export function wantOf(url) {
  const path = /^(.*\/feeds\/)([^/]+)$/.exec(url.pathname);
  const names = [...url.searchParams.keys()];
  // Tabs share a URL that is not known to hold a selector only if it is the same.
  if (!path || names.some(name => name !== "event")) return {site: url.href, want: {terms: [], event: ""}};
  const terms = decodeURIComponent(path[2]).split(",");
  // feedd's own feeds have positions of their own.
  const own = terms.some(term => term.startsWith("_")) ? " own" : "";
  return {site: url.origin + path[1] + own, want: {terms, event: url.searchParams.getAll("event").join(",")}};
}

/** The URL of what is wanted on a site.
 * @param {string} site
 * @param {URL} one that of one of the tabs
 * @param {Want} want
 * @returns {URL} */
function urlOf(site, one, want) {
  if (!want.terms.length) return one;
  const url = new URL(site.replace(/ own$/, "") + encodeURIComponent(want.terms.join(",")));
  if (want.event) url.searchParams.set("event", want.event);
  return url;
}

/** Whether one connection can bring all of a union.
 * @param {Want} union */
function fits({terms}) {
  return terms.length <= TERMS && terms.filter(term => term.includes("*")).length <= PATTERNS;
}

/** Whether a union has all that a tab wants.
 * @param {Want} union
 * @param {Want} want */
export function covers(union, want) {
  return want.terms.every(term => union.terms.includes(term)) && (!union.event || union.event === want.event);
}

/** What two tabs want together. A tab without events wants all of them, so the
 * union of different events is all.
 * @param {Want} a
 * @param {Want} b
 * @returns {Want} */
export function unionOf(a, b) {
  return {terms: [...new Set([...a.terms, ...b.terms])].sort(), event: a.event === b.event ? a.event : ""};
}

/** Tells whether an item is wanted, by the server's rules: in a pattern * is one
 * whole token, and ** at the end one or more; patterns match no names that begin
 * with _.
 * @param {Want} want
 * @returns {(item: Item) => boolean} */
export function matcher({terms, event}) {
  const patterns = terms.map(term => {
    const tokens = term.split(".").map(token => token === "*" ? "[^.]+" : token === "**" ? ".+" : token);
    return (term.includes("*") ? "(?!_)" : "") + tokens.join("\\.");
  });
  const feeds = new RegExp(`^(?:${patterns.join("|")})$`);
  const events = event && event.split(",");
  return item => (!terms.length || feeds.test(item.feed)) && (!events || events.includes(item.event ?? "message"));
}

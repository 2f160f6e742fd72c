// The live connection to a feed, or to several: an EventSource, or a long poll
// where there is none or a proxy keeps its events back.

import {FIRST_WAIT, LONGEST_WAIT, PAGE, POLL, Failure, backoff, pause, readPage, spread, withParams} from "./feed-pages.js";

/** An EventSource that said nothing for so long is behind a proxy that keeps
 * its events back, in ms. */
const OPENING = 5_000;
/** Without a sign of life for so long a connection counts as dead, in ms. A
 * server with the default settings gives one each 15 s. */
export const IDLE = 35_000;
/** The most that IDLE is stretched to, in ms: a server may be set to give signs
 * of life every 10 min. */
const LONGEST_IDLE = 1_500_000;
/** After so long by polling an EventSource is tried again, in ms. */
const POLLING = 600_000;

/** @typedef {import("./feed.js").Item} Item
 * @typedef {import("./feed.js").Gap} Gap
 * @typedef {import("./feed.js").Problem} Problem
 * @typedef {import("./feed.js").State} State
 *
 * @typedef {object} Batch what came behind the position after, up to cursor
 * @property {string} after
 * @property {string} cursor
 * @property {Item[]} items
 * @property {Gap} [gap] it came before the items
 *
 * @typedef {object} End how a connection ended
 * @property {boolean} [opened] it was live
 * @property {boolean} [silent] nothing came for too long
 * @property {boolean} [again] another can be made at once
 * @property {string} [reason] the server's
 * @property {number} [retry] when to come back, in ms, where the server said so
 * @property {Problem} [problem]
 */

/** The live connection: it is at a cursor, and tells what comes behind it. */
export class Connection {
  #patience = IDLE;
  #pollUntil = globalThis.EventSource ? 0 : Infinity;
  #mute = 0; // attempts in a row in which the server answered, but no stream came
  #attempt = new AbortController();

  /**
   * @param {URL} url
   * @param {string} cursor
   * @param {AbortSignal} signal
   * @param {(batch: Batch) => void} batch
   * @param {(state: State) => void} state
   */
  constructor(url, cursor, signal, batch, state) {
    this.url = url;
    this.cursor = cursor;
    this.signal = signal;
    this.batch = batch;
    this.state = state;
  }

  /** Goes on at another URL, from the same cursor.
   * @param {URL} url */
  aim(url) {
    this.url = url;
    this.#attempt.abort();
  }

  /** Runs until the signal; throws a {@link Refusal}. */
  async run() {
    let failures = 0;
    let reason = "";
    this.state({is: "connecting"});
    while (!this.signal.aborted) {
      this.#attempt = new AbortController();
      const signal = AbortSignal.any([this.signal, this.#attempt.signal]);
      /** @type {End} */
      let end = {again: true};
      try {
        end = await (Date.now() < this.#pollUntil ? this.#poll(signal) : this.#stream(signal));
      } catch (err) {
        if (!signal.aborted) throw err;
      }
      if (end.again || signal.aborted) continue;
      if (end.opened) failures = 0;
      // While a restarting server is away, attempts fail without saying why:
      // the reason that it gave stands until there is a connection again.
      if (end.opened || end.reason) reason = end.reason ?? "";
      const wait = end.retry ?? backoff(failures);
      failures++;
      this.state({is: "waiting", until: Date.now() + wait, reason, problem: end.problem});
      await pause(wait, signal);
    }
  }

  /** Tells of what came behind the cursor.
   * @param {{items?: Item[], cursor: string, gap?: Gap}} batch */
  #came({items = [], gap, cursor}) {
    const after = this.cursor;
    this.cursor = cursor;
    this.batch({after, cursor, items, gap});
  }

  /**
   * One EventSource, from its beginning to its end. Where it does not open, a
   * page tells why.
   *
   * @param {AbortSignal} signal
   * @returns {Promise<End>}
   */
  async #stream(signal) {
    const end = await this.#read(new EventSource(withParams(this.url, {envelope: "all", last_event_id: this.cursor})), signal);
    if (end.opened || end.problem || end.reason || signal.aborted) return end;
    try {
      this.#came(await readPage(this.url, {last_event_id: this.cursor, limit: String(PAGE)}, signal));
    } catch (err) {
      return ended(err);
    }
    // The server is there. It may have come back this moment; else it is the
    // stream that does not come through.
    this.#mute++;
    if (end.silent || this.#mute > 1) this.#pollUntil = Date.now() + POLLING;
    return {again: true};
  }

  /**
   * @param {EventSource} source
   * @param {AbortSignal} signal
   * @returns {Promise<End>}
   */
  #read(source, signal) {
    return new Promise(resolve => {
      /** @type {End} */
      const end = {};
      let heard = Date.now();
      let timer;
      const over = () => {
        clearTimeout(timer);
        source.close();
        signal.removeEventListener("abort", over);
        resolve(end);
      };
      const silent = () => {
        // Perhaps the server is only set to give signs of life more rarely.
        if (end.opened) this.#patience = Math.min(2 * this.#patience, LONGEST_IDLE);
        end.silent = true;
        over();
      };
      timer = setTimeout(silent, OPENING);
      source.onerror = over;
      source.onmessage = ({data}) => {
        clearTimeout(timer);
        const now = Date.now();
        let frame;
        try {
          frame = JSON.parse(data);
        } catch {
          // It has none.
        }
        if (!frame) {
          end.problem = {title: "The answer is not a feed's stream"};
          end.retry = spread(LONGEST_WAIT);
          over();
          return;
        }
        const opens = !end.opened && !frame.closing;
        if (!opens && frame.cursor && !frame.gap) {
          // A heartbeat: it comes after a silence of the length that the server
          // is set to. Two may fail to come, no more.
          this.#patience = Math.min(Math.max(IDLE, 2.3 * (now - heard)), LONGEST_IDLE);
        }
        heard = now;
        timer = setTimeout(silent, this.#patience);
        if (opens) {
          end.opened = true;
          this.#mute = 0;
          this.state({is: "live", by: "stream"}); // who hears it may end this
        }
        this.#frame(frame, data, end);
      };
      signal.addEventListener("abort", over);
    });
  }

  /** Takes an item or a notice. Others are passed over: a newer server may send
   * them. */
  #frame(frame, line, end) {
    if (frame.id) {
      this.#came({items: [{...frame, line}], cursor: frame.id});
    } else if (frame.closing) {
      const {cursor, reason, retry} = frame.closing;
      if (cursor) this.#came({cursor});
      end.reason = reason;
      end.retry = Math.max(retry, FIRST_WAIT / 2); // the server has spread it already
    } else if (frame.cursor) {
      this.#came(frame);
    }
  }

  /** Polls until that fails, or an EventSource is to be tried again.
   * @param {AbortSignal} signal
   * @returns {Promise<End>} */
  async #poll(signal) {
    /** @type {End} */
    const end = {};
    try {
      for (;;) {
        const start = {last_event_id: this.cursor, limit: String(PAGE)};
        const asked = Date.now();
        // The first does not wait, to know that the server is there.
        const page = await readPage(this.url, end.opened ? {...start, wait: `${POLL}s`} : start, signal);
        const early = end.opened && Date.now() - asked < FIRST_WAIT;
        if (!end.opened) this.state({is: "live", by: "polling"});
        end.opened = true;
        this.#came(page);
        if (page.more) continue;
        if (Date.now() > this.#pollUntil) return {again: true};
        // A server that goes down answers at once, with nothing.
        if (early && !page.items.length && !page.gap) await pause(spread(FIRST_WAIT), signal);
      }
    } catch (err) {
      return {...ended(err), ...end};
    }
  }
}

/** The end of a connection that an error is. A refusal goes on as it is.
 * @returns {End} */
function ended(err) {
  if (!(err instanceof Failure)) throw err;
  const {problem, reason, retry} = err;
  return {problem, reason, retry};
}


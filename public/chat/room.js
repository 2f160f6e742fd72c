// The connection to the chat: what is said there, and saying something.
//
//   const room = new Room("/chat", 50);
//   room.addEventListener("item", e => show(e.detail));
//   const {id, problem} = await room.say(key, {name, text});
//
// It is a WebSocket. Where none comes through, it is feed.js for reading and
// POST for speaking. In both cases what is read begins behind a cursor, and what
// was said and not answered is said again, with the key under which the server
// stores it once. So over broken connections, restarts of the server and changes
// of transport nothing is lost or doubled.

import {FIRST_WAIT, LONGEST_WAIT, Refusal, ask, backoff, pause, spread} from "../feed-pages.js";
import {Feed} from "../feed.js";

/** A WebSocket on which nothing came for so long does not come through, in ms. */
const OPENING = 5_000;
/** Without a sign of life for so long a connection counts as dead, in ms. */
const IDLE = 35_000;
/** The most that IDLE is stretched to, in ms: a server may be set to give signs
 * of life every 10 min. */
const LONGEST_IDLE = 1_500_000;
/** After so long without WebSocket one is tried again, in ms. */
const PLAIN = 600_000;
/** A room lasts as long as its page. */
const ALWAYS = new AbortController().signal;
/** The name of what is said. */
const EVENT = "broadcast";

/** Codes with which a WebSocket is closed (RFC 6455 and its registry). */
const TOO_LARGE = 1009, RESTART = 1012;

/**
 * @typedef {import("../feed.js").Problem} Problem
 *
 * @typedef {{id: string, problem?: undefined} | {problem: Problem, id?: undefined}} Answer
 *
 * @typedef {object} About what the server tells of the chat
 * @property {string} feed
 * @property {number} subscribers
 * @property {boolean} may_publish
 * @property {string} head the newest position
 *
 * @typedef {object} End how a connection ended
 * @property {boolean} [opened] it was live
 * @property {boolean} [silent] nothing came for too long
 * @property {boolean} [again] another can be made at once
 * @property {string} [reason] the server's
 * @property {number} [retry] when to come back, in ms, where the server said so
 * @property {Problem} [problem]
 * @property {boolean} [refused] and will be so later
 */

/**
 * Its events, with what they are about in `detail`: `item` and `gap` as those of
 * feed.js, `state` as its state (live by "socket", too), and `position` when
 * there is nothing more up to the cursor.
 */
export class Room extends EventTarget {
  #url;
  #last;
  #cursor = "";
  /** @type {import("../feed.js").State} */
  #state = {is: "connecting"};
  /** What was said and is not answered, in order.
   * @type {Map<string, {data: object, on?: WebSocket, answer: (a: Answer) => void}>} */
  #unanswered = new Map();
  /** Sends what is to be sent, where there is a connection. */
  #send = () => {};
  #patience = IDLE;
  #plainUntil = globalThis.WebSocket ? 0 : Infinity;
  #mute = 0; // attempts in a row in which the server answered, but no WebSocket came

  /**
   * @param {string} url of the chat
   * @param {number} last begin with so many of the newest items
   */
  constructor(url, last) {
    super();
    this.#url = new URL(url, location.href);
    this.#last = last;
    this.#run();
  }

  get state() {
    return this.#state;
  }

  /** The position: everything up to it was handed on. "" for not known yet. */
  get cursor() {
    return this.#cursor;
  }

  /**
   * Says something, once, however often that has to be tried.
   *
   * @param {string} key a word that nobody else uses
   * @param {object} data
   * @returns {Promise<Answer>}
   */
  say(key, data) {
    return new Promise(answer => {
      if (this.#state.is === "refused") {
        answer({problem: this.#state.problem});
        return;
      }
      this.#unanswered.set(key, {data, answer});
      this.#send();
    });
  }

  /** What the server tells of the chat, or why it does not.
   * @returns {Promise<About | End>} */
  async about() {
    const address = new URL(this.#url);
    address.searchParams.set("format", "json");
    try {
      return JSON.parse(await ask(address, {headers: {Accept: "application/json"}}, ALWAYS));
    } catch (err) {
      const {problem, reason, retry} = err;
      return {problem, reason, retry, refused: err instanceof Refusal};
    }
  }

  async #run() {
    await null; // the page adds its listeners first
    let failures = 0;
    let reason = "";
    for (;;) {
      const end = await (Date.now() < this.#plainUntil ? this.#plain() : this.#overSocket());
      if (end.refused) {
        this.#show({is: "refused", problem: end.problem});
        for (const key of [...this.#unanswered.keys()]) this.#answered(key, {problem: end.problem});
        return;
      }
      if (end.again) continue;
      if (end.opened) failures = 0;
      // The reason stands until there is a connection again, as in feed.js.
      if (end.opened || end.reason) reason = end.reason ?? "";
      const wait = end.retry ?? backoff(failures);
      failures++;
      this.#show({is: "waiting", until: Date.now() + wait, reason, problem: end.problem});
      await pause(wait, ALWAYS);
    }
  }

  /** @param {import("../feed.js").State} state */
  #show(state) {
    this.#state = state;
    this.#tell("state", state);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, {detail}));
  }

  /** @param {Answer} answer */
  #answered(key, answer) {
    const said = this.#unanswered.get(key);
    this.#unanswered.delete(key);
    said?.answer(answer);
  }

  // Over WebSocket.

  /** One WebSocket, from its beginning to its end. A browser does not tell why
   * one does not open, so the server is asked.
   * @returns {Promise<End>} */
  async #overSocket() {
    const address = new URL(this.#url);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    if (this.#cursor) address.searchParams.set("last_event_id", this.#cursor);
    else address.searchParams.set("last", String(this.#last));
    const end = await this.#read(new WebSocket(address));
    this.#send = () => {};
    if (end.opened || end.reason) return end;
    const about = await this.about();
    if (!about.feed) return {...about, problem: about.problem ?? end.problem, retry: about.retry ?? end.retry};
    // The server is there. It may have come back this moment; else it is the
    // WebSocket that does not come through.
    this.#mute++;
    if (end.silent || this.#mute > 1) this.#plainUntil = Date.now() + PLAIN;
    return {again: true};
  }

  /**
   * @param {WebSocket} socket
   * @returns {Promise<End>}
   */
  #read(socket) {
    return new Promise(resolve => {
      /** @type {End} */
      const end = {};
      let heard = Date.now();
      let timer;
      const over = () => {
        clearTimeout(timer);
        socket.onclose = socket.onmessage = null;
        socket.close();
        resolve(end);
      };
      const silent = () => {
        // Perhaps the server is only set to give signs of life more rarely.
        if (end.opened) this.#patience = Math.min(2 * this.#patience, LONGEST_IDLE);
        end.silent = true;
        over();
      };
      timer = setTimeout(silent, OPENING);
      socket.onclose = ({code, reason}) => {
        this.#closed(socket, end, code, reason);
        over();
      };
      socket.onmessage = ({data}) => {
        clearTimeout(timer);
        const now = Date.now();
        let frame;
        try {
          frame = JSON.parse(data);
        } catch {
          end.problem = {title: "The answer is not the chat's"};
          end.retry = spread(LONGEST_WAIT);
          over();
          return;
        }
        if (!end.opened && !frame.closing) {
          end.opened = true;
          this.#mute = 0;
          this.#show({is: "live", by: "socket"});
          this.#send = () => this.#sendFrames(socket);
          this.#send();
        } else if (frame.cursor && !frame.gap) {
          // A heartbeat: it comes after a silence of the length that the server
          // is set to. Two may fail to come, no more.
          this.#patience = Math.min(Math.max(IDLE, 2.3 * (now - heard)), LONGEST_IDLE);
        }
        heard = now;
        timer = setTimeout(silent, this.#patience);
        this.#frame(frame, data, end);
      };
    });
  }

  /** @param {WebSocket} socket */
  #sendFrames(socket) {
    if (socket.readyState !== WebSocket.OPEN) return;
    for (const [key, said] of this.#unanswered) {
      if (said.on === socket) continue;
      said.on = socket;
      socket.send(JSON.stringify({ref: key, key, event: EVENT, data: said.data}));
    }
  }

  /** Takes an item, a notice or an answer. Others are passed over: a newer
   * server may send them. */
  #frame(frame, line, end) {
    if (frame.ref !== undefined) {
      // Refused by a server that goes down: the next one is asked again.
      if (frame.error?.type !== "draining") this.#answered(frame.ref, frame.error ? {problem: frame.error} : {id: frame.id});
    } else if (frame.id) {
      this.#item({...frame, line});
    } else if (frame.closing) {
      const {cursor, reason, retry} = frame.closing;
      if (cursor) this.#cursor = cursor;
      end.reason = reason;
      end.retry = retry; // the server has spread it already
    } else if (frame.cursor) {
      if (frame.gap) this.#tell("gap", frame.gap);
      this.#cursor = frame.cursor;
      this.#tell("position", frame.cursor);
    }
  }

  #item(item) {
    if (this.#cursor && Number(item.id) <= Number(this.#cursor)) return;
    this.#cursor = item.id;
    this.#tell("item", item);
  }

  /** What the close code says. */
  #closed(socket, end, code, reason) {
    if (code === RESTART) {
      // For whoever did not see the closing frame.
      const at = /^cursor=(\d+)$/.exec(reason)?.[1];
      if (at && Number(at) > Number(this.#cursor)) this.#cursor = at;
      end.reason ??= "draining";
      end.retry ??= spread(FIRST_WAIT);
    } else if (code === TOO_LARGE) {
      // Frames are answered in order: it was the first without an answer.
      for (const [key, said] of this.#unanswered) {
        if (said.on !== socket) continue;
        this.#answered(key, {problem: {status: 413, type: "too-large", title: "The message is too large"}});
        break;
      }
    } else if (reason) {
      end.problem = {title: "The server closed the connection", detail: reason};
    }
  }

  // Without WebSocket.

  /** Reads by feed.js and speaks by POST, until a WebSocket is to be tried again.
   * @returns {Promise<End>} */
  async #plain() {
    const about = await this.about();
    if (!about.feed) return about;
    const over = new AbortController();
    const feed = new Feed(`/feeds/${encodeURIComponent(about.feed)}`, this.#cursor ? {lastEventId: this.#cursor} : {last: this.#last});
    this.#post(over.signal);
    const end = await new Promise(resolve => {
      feed.addEventListener("item", ({detail}) => this.#item(detail));
      feed.addEventListener("gap", ({detail}) => this.#tell("gap", detail));
      feed.addEventListener("state", ({detail}) => {
        if (Number(feed.lastEventId) > Number(this.#cursor)) this.#cursor = feed.lastEventId;
        if (detail.is === "refused") resolve({refused: true, problem: detail.problem});
        else this.#show(detail);
      });
      if (this.#plainUntil < Infinity) setTimeout(resolve, this.#plainUntil - Date.now(), {again: true});
    });
    feed.close();
    over.abort();
    if (Number(feed.lastEventId) > Number(this.#cursor)) this.#cursor = feed.lastEventId;
    return end;
  }

  /** Posts what is unanswered, one after the other, until the signal. */
  async #post(signal) {
    for (let failures = 0; !signal.aborted;) {
      const [[key, said] = []] = this.#unanswered;
      if (key === undefined) {
        await new Promise(resolve => {
          this.#send = resolve;
          signal.addEventListener("abort", resolve, {once: true});
        });
        continue;
      }
      const answer = await this.#postOne(key, said.data, signal);
      if (signal.aborted) return;
      if (answer) {
        failures = 0;
        this.#answered(key, answer);
      } else {
        await pause(backoff(failures++), signal);
      }
    }
  }

  /** @returns {Promise<Answer | undefined>} undefined: it has to be tried again */
  async #postOne(key, data, signal) {
    try {
      const answer = await ask(this.#url, {
        method: "POST",
        headers: {"Content-Type": "application/json", "Idempotency-Key": key},
        body: JSON.stringify(data),
      }, signal);
      return {id: JSON.parse(answer).id};
    } catch ({problem}) {
      if (!problem?.status) return undefined; // no answer, or nothing of feedd's
      // From a server that goes down, or a proxy before one that is away.
      const passing = problem.type === "draining" || problem.status === 408 || problem.status >= 500 && !problem.type;
      return passing ? undefined : {problem};
    }
  }
}

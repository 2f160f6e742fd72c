// The connection to the chat: reading messages, and saying something.
//
//   const room = new Room("/chat", 50);
//   room.addEventListener("item", e => show(e.detail));
//   const {id, problem} = await room.say(key, {name, text});
//
// Reading is a Feed over the chat's WebSocket. If no WebSocket comes through,
// the Feed does without. A message of one's own goes by the WebSocket or, if
// the Feed does without, by POST. A message without an answer is sent again,
// with the key under which the server stores it once (P7). So over broken
// connections, restarts of the server and changes of transport no message is
// lost or doubled.

import {Failure, LONGEST_WAIT, Refusal, ask, parsed, persist, spread} from "../feed-pages.js";
import {Feed} from "../feed.js";
import {ALWAYS} from "../shared/http.js";
import {Socket} from "./socket.js";

/** The name of what is said: that which older clients of the chat give. */
const EVENT = "broadcast";

/**
 * @typedef {import("../feed.js").Problem} Problem
 * @typedef {import("../feed.js").State} State
 * @typedef {import("../feed.js").FeedEvents} RoomEvents
 *
 * @typedef {{id: string, problem?: undefined} | {problem: Problem, id?: undefined}} Answer
 *
 * @typedef {object} Said what was said, and is not answered
 * @property {object} data
 * @property {WebSocket} [on] the connection by which it was sent last
 * @property {(answer: Answer) => void} answer
 *
 * @typedef {object} About what the server tells of the chat
 * @property {string} feed
 * @property {number} subscribers
 * @property {boolean} may_publish
 * @property {string} head the newest position
 */

/** Its events are those of a Feed. */
export class Room extends EventTarget {
  #url;
  #last;
  /** @type {Feed | undefined} there is one once the server has told which */
  #feed;
  /** @type {State} */
  #state = {is: "connecting"};
  /** @type {Map<string, Said>} by key, in order */
  #unanswered = new Map();
  #socket;
  /** @type {AbortController | undefined} ends the posting, where that is done */
  #posting;
  /** Wakes the posting when something is said. */
  #wake = () => {};

  /**
   * @param {string} url of the chat
   * @param {number} last begin with this many of the newest items
   */
  constructor(url, last) {
    super();
    this.#url = new URL(url, location.href);
    this.#last = last;
    this.#socket = new Socket(this.#url, {
      // A server that stops may refuse a message; it is sent again to the next
      // server.
      answered: ({ref, id, error}) => error?.type === "draining" || this.#answered(ref, error ? {problem: error} : {id}),
      tooLarge: () => this.#tooLarge(),
      check: async () => void await this.about(),
    });
    this.#run();
  }

  /**
   * @template {keyof RoomEvents} K
   * @param {K} type
   * @param {(event: RoomEvents[K]) => void} listener
   */
  on(type, listener) {
    this.addEventListener(type, event => listener(/** @type {RoomEvents[K]} */ (event)));
  }

  /** @returns {State} */
  get state() {
    return this.#state;
  }

  /** The position: everything up to it was handed on. "" for not known yet. */
  get cursor() {
    return this.#feed?.lastEventId ?? "";
  }

  /**
   * Says something, once, however many attempts that takes.
   *
   * @param {string} key a word that no other message uses
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
      this.#wake();
    });
  }

  /** Asks the server about the chat.
   * @returns {Promise<About>}
   * @throws {Failure | Refusal} */
  async about() {
    const address = new URL(this.#url);
    address.searchParams.set("format", "json");
    const about = parsed((await ask(address, {headers: {Accept: "application/json"}}, ALWAYS)).text);
    if (!about?.feed) throw new Failure({problem: {title: "The answer is not the chat's"}});
    return about;
  }

  async #run() {
    await null; // the page adds its listeners first
    try {
      const {feed} = await persist(() => this.about(), ALWAYS, ({reason, problem}, wait) => {
        this.#show({is: "waiting", until: Date.now() + wait, reason, problem});
      });
      this.#follow(feed);
    } catch (err) {
      if (!(err instanceof Refusal)) throw err;
      this.#show({is: "refused", problem: err.problem});
    }
  }

  /** @param {string} name of the chat's feed */
  #follow(name) {
    const push = globalThis.WebSocket ? this.#socket : undefined;
    const feed = this.#feed = new Feed(`/feeds/${encodeURIComponent(name)}`, {last: this.#last, push});
    feed.addEventListener("item", ({detail}) => this.#tell("item", detail));
    feed.addEventListener("gap", ({detail}) => this.#tell("gap", detail));
    feed.addEventListener("state", ({detail}) => this.#show(detail));
  }

  /** @param {State} state */
  #show(state) {
    this.#state = state;
    if (state.is === "refused") {
      this.#posting?.abort(); // what is told to be refused is not stored later
      for (const key of [...this.#unanswered.keys()]) this.#answered(key, {problem: state.problem});
    }
    if (state.is === "live") {
      if (state.by === "socket") {
        this.#posting?.abort();
        this.#posting = undefined;
        this.#send();
      } else if (!this.#posting) {
        this.#posting = new AbortController();
        this.#post(this.#posting.signal);
      }
    }
    this.#tell("state", state);
  }

  /** @param {keyof RoomEvents} type
   * @param {any} detail */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, {detail}));
  }

  /** @param {string} key
   * @param {Answer} answer */
  #answered(key, answer) {
    const said = this.#unanswered.get(key);
    this.#unanswered.delete(key);
    said?.answer(answer);
  }

  /** Sends by the WebSocket, if it is live, what was not sent by it yet. */
  #send() {
    if (this.#state.is !== "live" || this.#state.by !== "socket") return;
    for (const [key, said] of this.#unanswered) {
      if (said.on === undefined || said.on !== this.#socket.current) {
        said.on = this.#socket.send({ref: key, key, event: EVENT, data: said.data});
      }
    }
  }

  /** Frames are answered in order, so the one that was too large is the first
   * without an answer. */
  #tooLarge() {
    const on = this.#socket.current;
    for (const [key, said] of this.#unanswered) {
      if (said.on !== on) continue;
      this.#answered(key, {problem: {status: 413, type: "too-large", title: "The message is too large"}});
      return;
    }
  }

  /** Posts what is unanswered, one message after the other.
   * @param {AbortSignal} signal */
  async #post(signal) {
    while (!signal.aborted) {
      const [[key, said] = []] = this.#unanswered;
      if (key === undefined || said === undefined) {
        await new Promise(resolve => {
          this.#wake = () => resolve(undefined);
          signal.addEventListener("abort", this.#wake, {once: true});
        });
        continue;
      }
      try {
        this.#answered(key, await persist(() => this.#postOne(key, said.data, signal), signal));
      } catch (err) {
        if (!signal.aborted) throw err;
      }
    }
  }

  /** @param {string} key
   * @param {object} data
   * @param {AbortSignal} signal
   * @returns {Promise<Answer>}
   * @throws {Failure} it has to be tried again */
  async #postOne(key, data, signal) {
    try {
      const {text} = await ask(this.#url, {
        method: "POST",
        headers: {"Content-Type": "application/json", "Idempotency-Key": key},
        body: JSON.stringify(data),
      }, signal);
      const id = parsed(text)?.id;
      if (id) return {id};
    } catch (err) {
      if (err instanceof Refusal) return {problem: err.problem};
      if (!(err instanceof Failure)) throw err;
      const {problem} = err;
      // A server that stops, or a proxy before one that is away, may take the
      // message later. Any other answer is for the person who said it, such as
      // that these are too many messages.
      const passing = !problem?.status || problem.type === "draining" || problem.status === 408 || problem.status >= 500 && !problem.type;
      // The person waits: no longer than between other attempts, whatever a proxy says.
      if (passing) throw new Failure({problem, reason: err.reason, retry: err.retry && Math.min(err.retry, spread(LONGEST_WAIT))});
      return {problem};
    }
    throw new Failure();
  }
}

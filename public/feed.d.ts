// The types of feed.js, for programs in TypeScript and for editors. They are
// written by hand, because those that a compiler derives do not say which event
// has which detail; `make lint` proves that they are those of feed.js.

/** An envelope, see "Read" in the HTTP interface. */
export interface Item {
  id: string;
  feed: string;
  event?: string;
  /** RFC 3339 */
  time: string;
  /** A string, or whatever JSON the publisher gave. */
  data: any;
  /** The envelope as it came: numbers in it are exact. */
  line: string;
}

/** Items that were selected are gone. */
export interface Gap {
  /** The position behind which they were. */
  after: string;
  /** The last of them. */
  through: string;
  /** The first item that is there. */
  oldest?: string;
  /** trimmed, purged or unknown */
  reason: string;
  /** Which feeds lost some. */
  feeds: string[];
}

/** Why there is no answer (RFC 9457). */
export interface Problem {
  status?: number;
  /** A stable word. */
  type?: string;
  title: string;
  detail?: string;
  /** Of a batch, from 1. */
  line?: number;
  /** In bytes: of the body, or of its line. */
  offset?: number;
}

/**
 * What the connection is. `until` is a Date.now(). `reason` is the server's, such
 * as draining; "" when the connection just broke. `refused` and `closed` are the
 * end. A Feed is live by "socket" only with a push that says so.
 */
export type State =
  | { is: "connecting" }
  | { is: "live"; by: "stream" | "socket" | "polling" }
  | { is: "waiting"; until: number; reason: string; problem?: Problem }
  | { is: "refused"; problem: Problem }
  | { is: "closed" };

export interface Options {
  /** Begin with this many of the newest items, at most 1000. */
  last?: number;
  /**
   * Begin there: an id, a time (RFC 3339), a duration back (10m), all, or now; it
   * outranks last.
   */
  since?: string;
  /**
   * Begin behind this id; it outranks since. The URL may say these, too, as it
   * does for an EventSource. Without any of the three the Feed begins with what
   * comes next.
   */
  lastEventId?: string;
  /** Only items with one of these names; "message" stands for those without one. */
  event?: string | string[];
  /**
   * Is traded for the session's cookie before anything else. If the cookie is
   * there already, none is needed.
   */
  ticket?: string;
  /** false: a connection of its own, not the one that the tabs of this origin share. */
  share?: boolean;
  /**
   * Is tried before anything else: a connection of its own, such as the WebSocket
   * of feedd's chat.
   */
  push?: Push;
}

/** What brings frames as they come. */
export interface Push {
  by: "stream" | "socket";
  /**
   * Makes a connection that brings what comes behind the cursor, as envelopes and
   * notices; it returns what closes it. Then neither frame nor over is called.
   */
  open: (url: URL, cursor: string, to: PushTo) => () => void;
  /** Takes a frame that is the push's own, and says whether it was. */
  other?: (frame: any) => boolean;
  /**
   * Asks the server why no connection opens: it throws why. Without it, a page of
   * the feed is read.
   */
  check?: (signal: AbortSignal) => Promise<void>;
}

export interface PushTo {
  /** Takes a frame. */
  frame: (text: string) => void;
  /** Takes the end of the connection. */
  over: (end?: End) => void;
}

/** How a connection ended. */
export interface End {
  /** It was live. */
  opened?: boolean;
  /** Nothing came for too long. */
  silent?: boolean;
  /** Another can be made at once. */
  again?: boolean;
  /** To go on from. */
  cursor?: string;
  /** The server's. */
  reason?: string;
  /** When to come back, in ms, if the server said so. */
  retry?: number;
  problem?: Problem;
}

/** The server does not let us in, and will not later. */
export class Refusal extends Error {
  constructor(problem: Problem);
  problem: Problem;
}

/** The events of a Feed, by their names. */
export interface FeedEvents {
  item: CustomEvent<Item>;
  /** The same loss may be told again after a reconnect, if no item came
   * between. */
  gap: CustomEvent<Gap>;
  state: CustomEvent<State>;
}

/**
 * A live feed, or several: every item of the selection comes once and in order,
 * over all connections, restarts of the server and changes of transport. If
 * items are gone, a gap comes before the items that follow.
 *
 * It is async iterable, too: it gives items, and a gap as `{gap}`; it ends when the
 * Feed is closed and throws a {@link Refusal} when the server refuses. The slowest
 * iterator sets the pace for all: when 1000 items wait for one, nothing more is
 * handed on until it has taken them or its loop was left.
 */
export class Feed extends EventTarget {
  /** @param url of the feed, or of a list or pattern of feeds */
  constructor(url: string | URL, options?: Options);
  get state(): State;
  /**
   * The position: everything up to it was handed on. A new Feed takes it as
   * lastEventId. "" until the server has told one.
   */
  get lastEventId(): string;
  /** Ends it. There are no events after this. */
  close(): void;
  [Symbol.asyncIterator](): AsyncIterableIterator<Item | { gap: Gap }, undefined>;
  addEventListener<K extends keyof FeedEvents>(
    type: K, listener: (event: FeedEvents[K]) => void, options?: boolean | AddEventListenerOptions): void;
  addEventListener(
    type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void;
  removeEventListener<K extends keyof FeedEvents>(
    type: K, listener: (event: FeedEvents[K]) => void, options?: boolean | EventListenerOptions): void;
  removeEventListener(
    type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | EventListenerOptions): void;
}

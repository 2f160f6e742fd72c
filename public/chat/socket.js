// The chat's WebSocket: a push for feed.js that can also send.

import {FIRST_WAIT, spread} from "../feed-pages.js";

/** @typedef {import("../feed.js").Problem} Problem
 * @typedef {import("../feed.js").PushTo} PushTo
 * @typedef {import("../feed.js").End} End */

/** Codes with which a WebSocket is closed (RFC 6455 and its registry). */
const TOO_LARGE = 1009, RESTART = 1012;

/** A feed over WebSocket, and frames to the server. It is a Push of feed.js. */
export class Socket {
  /** @type {"socket"} */
  by = "socket";
  /** @type {WebSocket | undefined} the one that is open, or opening */
  #socket;

  /**
   * @param {URL} url
   * @param {object} to
   * @param {(frame: any) => void} to.answered takes the answer to a frame
   * @param {() => void} to.tooLarge the server closed the connection, because the
   *   first frame without an answer was too large for it
   * @param {(signal: AbortSignal) => Promise<void>} to.check see Push
   */
  constructor(url, to) {
    this.url = new URL(url);
    this.url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    this.to = to;
    this.check = to.check;
  }

  /**
   * @param {URL} _ that of the feed; the chat's own address is used instead
   * @param {string} cursor
   * @param {PushTo} to
   */
  open(_, cursor, {frame, over}) {
    const url = new URL(this.url);
    url.searchParams.set("last_event_id", cursor);
    const socket = this.#socket = new WebSocket(url);
    socket.onmessage = ({data}) => frame(data);
    socket.onclose = ({code, reason}) => {
      if (code === TOO_LARGE) this.to.tooLarge();
      over(endOf(code, reason));
    };
    return () => {
      socket.onclose = socket.onmessage = null;
      socket.close();
      if (this.#socket === socket) this.#socket = undefined;
    };
  }

  /** Takes an answer.
   * @param {any} frame
   * @returns {boolean} whether it is one */
  other(frame) {
    if (frame.ref === undefined) return false;
    this.to.answered(frame);
    return true;
  }

  /** The connection that is there; undefined for none. */
  get current() {
    return this.#socket;
  }

  /** Sends a frame.
   * @param {object} frame
   * @returns {WebSocket | undefined} the connection by which it went; undefined
   *   if none is open */
  send(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return undefined;
    this.#socket.send(JSON.stringify(frame));
    return this.#socket;
  }
}

/** What a close code says.
 * @param {number} code
 * @param {string} reason
 * @returns {End} */
function endOf(code, reason) {
  if (code === RESTART) {
    // The closing frame says the same, if it came.
    return {reason: "draining", retry: spread(FIRST_WAIT), cursor: /^cursor=(\d+)$/.exec(reason)?.[1]};
  }
  if (code === TOO_LARGE || !reason) return {};
  return {problem: {title: "The server closed the connection", detail: reason}};
}

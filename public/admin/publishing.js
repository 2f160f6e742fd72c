// Publishing an item such that it is stored once, however often it takes.

import {request, unsettled} from "./request.js";

/** The waits before further attempts, in ms. */
const WAITS = [500, 1000, 2000, 4000];

/**
 * @typedef {object} Message what is published, and how
 * @property {string} feed
 * @property {string} event "" for none
 * @property {string} ttl "" for none
 * @property {string} type the content type
 * @property {string} body
 */

/** A key for a message: whoever publishes it again with the same one does not
 * store it twice. */
export function newKey() {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return `admin-${[...random].map(byte => byte.toString(16).padStart(2, "0")).join("")}`;
}

/**
 * @param {Message} message
 * @param {string} key
 * @param {(error: Error) => void} waiting there will be another attempt
 * @returns {Promise<{id: string, feed: string, headers: Headers, took: number}>}
 *   took is in ms, of the attempt that succeeded
 * @throws {import("./request.js").RequestError}
 */
export async function publish({feed, event, ttl, type, body}, key, waiting) {
  const params = new URLSearchParams();
  if (event) params.set("event", event);
  if (ttl) params.set("ttl", ttl);
  const path = `/feeds/${encodeURIComponent(feed)}${params.size ? `?${params}` : ""}`;
  for (let attempt = 0; ; attempt++) {
    const begin = performance.now();
    try {
      const {value, headers} = await request("POST", path, {body, type, headers: {"Idempotency-Key": key}});
      return {...value, headers, took: performance.now() - begin};
    } catch (error) {
      const passing = unsettled(error) || error.type === "draining" || error.type === "unavailable";
      if (!passing || attempt === WAITS.length) throw error;
      waiting(error);
      await new Promise(resolve => setTimeout(resolve, WAITS[attempt]));
    }
  }
}

// Publishing an item so that it is stored once, however many attempts it takes.

import {problemIn, request, sentenceOf, unsettled} from "../shared/http.js";
import {newKey} from "../shared/key.js";

/** The waits before further attempts, in ms: a restart of the server takes less
 * than all of them. */
const WAITS = [500, 1000, 2000, 4000];

/**
 * @typedef {object} Message what is published, and how
 * @property {string} feed
 * @property {string} event "" for none
 * @property {string} ttl "" for none
 * @property {string} type the content type
 * @property {string} body
 */

/** A key for a message. A message that is published again with the same key is
 * not stored twice. */
export const newMessageKey = () => `admin-${newKey()}`;

/**
 * @param {Message} message
 * @param {string} key
 * @param {(why: string) => void} waiting there will be another attempt
 * @returns {Promise<{id: string, feed: string, headers: Headers, took: number}>}
 *   took is in ms, of the attempt that succeeded
 * @throws see problemIn
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
      const problem = problemIn(error);
      const passing = unsettled(problem) || problem.type === "draining" || problem.type === "unavailable";
      if (!passing || attempt === WAITS.length) throw error;
      waiting(sentenceOf(problem));
      await new Promise(resolve => setTimeout(resolve, WAITS[attempt]));
    }
  }
}

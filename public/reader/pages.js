// Pages of items from the server: those before an id, and those behind one.

import {feedAt} from "../shared/address.js";
import {membersOf} from "../shared/json.js";

/** How long an answer is waited for, in ms. */
const PATIENCE = 40_000;

/**
 * @param {import("../shared/address.js").Address} address
 * @param {Record<string, string>} params see "Read" in the HTTP interface
 * @param {AbortSignal} signal
 * @returns {Promise<{items: import("../feed.js").Item[], cursor: string, more: boolean, gap?: import("../feed.js").Gap}>}
 * @throws {Error} with a message for people, and the status of the answer, if
 *   there was one
 */
export async function readPage(address, params, signal) {
  let response, text;
  try {
    response = await fetch(feedAt(address, params), {
      headers: {Accept: "application/json"}, cache: "no-store", signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]),
    });
    text = await response.text();
  } catch (err) {
    signal.throwIfAborted();
    throw new Error("the server does not answer", {cause: err});
  }
  signal.throwIfAborted(); // it may have come with the answer
  let page, lines;
  try {
    page = JSON.parse(text);
    if (response.ok) lines = membersOf(membersOf(text).find(({name}) => name === "items").source);
  } catch {
    // A proxy's, perhaps.
  }
  if (!lines) {
    const words = [page?.title, page?.detail].filter(Boolean).join(": ");
    throw Object.assign(new Error(words || "the server's answer cannot be read"), {status: response.status});
  }
  page.items = page.items.map((item, i) => ({...item, line: lines[i].source}));
  return page;
}

// Pages of items from the server: those before an id, and those behind one.

import {feedAt} from "./address.js";
import {membersOf} from "./json.js";

/**
 * @param {import("./address.js").Address} address
 * @param {Record<string, string>} params see "Read" in the HTTP interface
 * @param {AbortSignal} [signal]
 * @returns {Promise<{items: import("./feed.js").Item[], cursor: string, more: boolean, gap?: import("./feed.js").Gap}>}
 * @throws {Error} with a message for people
 */
export async function readPage(address, params, signal) {
  let response;
  let text;
  try {
    response = await fetch(feedAt(address, params), {headers: {Accept: "application/json"}, cache: "no-store", signal});
    text = await response.text();
  } catch (err) {
    signal?.throwIfAborted();
    throw new Error("the server does not answer", {cause: err});
  }
  let page;
  try {
    page = JSON.parse(text);
  } catch {
    throw new Error("the server's answer cannot be read");
  }
  if (!response.ok) throw new Error([page.title, page.detail].filter(Boolean).join(": "));
  const lines = membersOf(membersOf(text).find(({name}) => name === "items").source);
  page.items = page.items.map((item, i) => ({...item, line: lines[i].source}));
  return page;
}

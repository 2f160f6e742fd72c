// The addresses of the reader's page, which say what it shows, and of feeds at
// the server.

/**
 * @typedef {object} Address
 * @property {string} selector
 * @property {string} events names of events, with commas; "" for all items
 * @property {string} at an id, or a time as RFC 3339; "" for the newest items
 */

/** The selector is the path's, /feeds/SELECTOR, else ?feed=, else main.
 * @param {{pathname: string, search: string}} location
 * @returns {Address} */
export function readAddress({pathname, search}) {
  const params = new URLSearchParams(search);
  const path = /^\/feeds\/(.+)$/.exec(pathname)?.[1];
  return {
    selector: path ? decoded(path) : params.get("feed")?.trim() || "main",
    events: params.get("event")?.replaceAll(/\s/g, "") ?? "",
    at: params.get("at")?.trim() ?? "",
  };
}

/** @param {string} path */
function decoded(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    return path; // not UTF-8: the server will say what is wrong with it
  }
}

/** @param {Partial<Address>} address
 * @returns {string} */
export function pageFor({selector = "main", events, at}) {
  const params = new URLSearchParams({feed: selector});
  if (events) params.set("event", events);
  if (at) params.set("at", at);
  return `/?${params}`;
}

/** Where the server has the feed, for other clients too.
 * @param {{selector: string, events: string}} address
 * @param {Record<string, string>} [params]
 * @returns {URL} */
export function feedAt({selector, events}, params = {}) {
  const url = new URL(`/feeds/${encodeURIComponent(selector)}`, location.origin);
  if (events) url.searchParams.set("event", events);
  for (const [name, value] of Object.entries(params)) url.searchParams.set(name, value);
  return url;
}

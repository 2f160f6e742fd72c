// Asking a server for pages of a feed, and what becomes of a request that fails.

/** @typedef {import("./feed.js").Item} Item
 * @typedef {import("./feed.js").Gap} Gap
 * @typedef {import("./feed.js").Problem} Problem
 *
 * @typedef {{items: Item[], cursor: string, more: boolean, gap?: Gap}} Page
 *   more: the server has further items behind the cursor (or, for a page of
 *   older ones, before the first) */

/** How many items a page has: the most that a server gives. */
export const PAGE = 1000;
/** How long a long poll waits at the server, in s: proxies commonly give up on a
 * silent answer after 30 or 60 s. */
export const POLL = 25;
/** How long an answer, or the rest of one, may keep us waiting, in ms: longer
 * than a long poll, and longer than the 30 s in which a server finishes its
 * work. */
const SILENCE = 40_000;
/** The bounds of the waits between attempts, in ms. The first is enough for a
 * restart of a server; with a wait longer than the last, people would reload
 * the page. */
export const FIRST_WAIT = 1_000, LONGEST_WAIT = 30_000;
/** The longest that a server's Retry-After is followed, in ms. A proxy may name
 * an hour for an outage that is over in a minute. */
const LONGEST_RETRY_AFTER = 300_000;
/** The title of a problem that gives no reason. */
export const NO_REASON = "The server refused";

/** The server does not let us in, and will not later. */
export class Refusal extends Error {
  /** @param {Problem} problem */
  constructor(problem) {
    super([problem.status, problem.title, problem.detail].filter(Boolean).join(": "));
    this.name = "Refusal";
    this.problem = problem;
  }
}

/** An attempt that failed for a reason that may pass. */
export class Failure extends Error {
  /** @param {{problem?: Problem, reason?: string, retry?: number}} [why] problem
   *   is undefined if there was no answer; retry is how long to wait, in ms, if
   *   the server said so */
  constructor({problem, reason = "", retry} = {}) {
    super(problem?.title ?? "the connection failed");
    this.name = "Failure";
    this.problem = problem;
    this.reason = reason;
    this.retry = retry;
  }
}

/**
 * Reads one page of a feed.
 *
 * @param {URL} url of the feed
 * @param {Record<string, string>} params see "Read" in the HTTP interface
 * @param {AbortSignal} signal
 * @returns {Promise<Page>}
 * @throws {Failure | Refusal | DOMException} the last when the signal came
 */
export async function readPage(url, params, signal) {
  const {text} = await ask(withParams(url, params), {headers: {Accept: "application/json"}}, signal);
  const page = parsed(text);
  if (!Array.isArray(page?.items)) throw new Failure({problem: {title: "The answer is not a feed's page"}, retry: spread(LONGEST_WAIT)});
  const lines = linesOf(text);
  page.items = page.items.map((/** @type {Item} */ item, /** @type {number} */ i) => ({...item, line: lines[i]}));
  return page;
}

/** The value of a JSON text; undefined if it is none.
 * @param {string} text
 * @returns {any} */
export function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** JSON's tokens: strings, marks, and the rest (numbers, true, false, null). */
export const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{}:,]|[^\s"[\]{}:,]+/g;
/** The same, for exec, which keeps its place in the expression. */
const MEMBERS = new RegExp(TOKENS);
/** The tokens by which the end of something nested is found. */
const NESTED = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{}]/g;

/** @typedef {{name: string, source: string}} Member name is "" in an array */

/**
 * The members of an object, or the elements of an array, each as its source.
 * What is inside them is passed over, so deep nesting costs nothing.
 *
 * @param {string} source valid JSON
 * @returns {Member[] | undefined} undefined for a value that is neither
 */
export function membersOf(source) {
  if (!/^\s*[[{]/.test(source)) return undefined;
  /** @type {Member[]} */
  const members = [];
  let depth = 0;
  let from = -1; // where the token begins that a member, or its name, begins with
  let name = "";
  for (let at = 0; ;) {
    const tokens = depth > 1 ? NESTED : MEMBERS;
    tokens.lastIndex = at;
    const found = tokens.exec(source);
    if (!found) return members;
    const {0: token, index} = found;
    at = tokens.lastIndex;
    const closes = token === "}" || token === "]";
    if (depth === 1) {
      if (closes || token === ",") {
        if (from >= 0) members.push({name, source: source.slice(from, index).trimEnd()});
        from = -1;
        name = "";
      } else if (token === ":") {
        name = JSON.parse(source.slice(from, index));
        from = -1;
      } else if (from < 0) {
        from = index;
      }
    }
    if (closes) depth--;
    else if (token === "{" || token === "[") depth++;
    if (depth === 0) return members;
  }
}

/** The envelopes of a page as they came.
 * @param {string} text of the page
 * @returns {string[]} */
export function linesOf(text) {
  const items = membersOf(text)?.find(({name}) => name === "items")?.source ?? "";
  return membersOf(items)?.map(({source}) => source) ?? [];
}

/** Trades a ticket for the cookie of a session.
 * @param {URL} url of a feed
 * @param {string} ticket
 * @param {AbortSignal} signal
 * @throws {Refusal | DOMException} */
export async function trade(url, ticket, signal) {
  let lost = false; // the answer to an attempt
  await persist(async () => {
    try {
      await ask(new URL("../session", url), {
        method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({ticket}),
      }, signal);
    } catch (err) {
      // A ticket is good once: if an answer was lost, the cookie may be there
      // already.
      if (!(err instanceof Refusal && lost)) throw err;
    } finally {
      lost = true;
    }
  }, signal);
}

/** The content types of JSON, with those such as application/problem+json. */
const JSON_TYPE = /^application\/([^;]+\+)?json\b/;

/**
 * Makes a request.
 *
 * @param {string | URL} url
 * @param {RequestInit} init
 * @param {AbortSignal} signal
 * @param {RegExp} [type] of a good answer. An answer of another type comes from
 *   something on the way, such as the page on which a hotel asks for a room
 *   number
 * @returns {Promise<{text: string, headers: Headers}>} a good answer; text is ""
 *   for one without a body (204)
 * @throws {Failure | Refusal | DOMException} the last when the signal came
 */
export async function ask(url, init, signal, type = JSON_TYPE) {
  // On a slow network an answer may take longer, as long as something comes.
  const silence = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), SILENCE);
  };
  let response, text;
  try {
    heard();
    response = await fetch(url, {...init, cache: "no-store", signal: AbortSignal.any([signal, silence.signal])});
    const parts = new TransformStream({
      transform(part, to) {
        heard();
        to.enqueue(part);
      },
    });
    text = await new Response(response.body?.pipeThrough(parts)).text();
  } catch {
    signal.throwIfAborted();
    throw new Failure();
  } finally {
    clearTimeout(timer);
  }
  // The signal may come when the answer is whole, but not handed on yet. Then
  // the answer is to an outdated question, such as one for fewer feeds.
  signal.throwIfAborted();
  const {ok, status, headers} = response;
  if (ok && (status === 204 || type.test(headers.get("Content-Type") ?? ""))) return {text, headers};
  const problem = problemOf(response, text);
  const passing = ok || status >= 500 || status === 408 || status === 425 || status === 429;
  if (passing) throw new Failure({problem, reason: problem.type, retry: retryAfter(headers)});
  throw new Refusal(problem);
}

/** @param {Response} response
 * @param {string} text its body
 * @returns {Problem} */
function problemOf({ok, status, statusText}, text) {
  if (ok) return {title: "The answer is not a feed's page"};
  const problem = parsed(text);
  // Without a title it is not from feedd, but perhaps a proxy's page.
  return problem?.title ? {...problem, status} : {status, title: statusText || NO_REASON};
}

/** @param {Headers} headers
 * @returns {number | undefined} ms */
function retryAfter(headers) {
  const value = headers.get("Retry-After");
  if (!value) return undefined;
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  if (!(wait >= 0)) return undefined; // past, or no time at all
  // Never before that time, and spread over half of it more, so that the
  // readers of a server do not come back all at once.
  return Math.max(Math.min(wait, LONGEST_RETRY_AFTER) * (1 + Math.random() / 2), spread(FIRST_WAIT));
}

/** @param {URL} url
 * @param {Record<string, string>} params
 * @returns {URL} */
export function withParams(url, params) {
  const address = new URL(url);
  for (const [name, value] of Object.entries(params)) address.searchParams.set(name, value);
  return address;
}

/**
 * Makes attempts until one succeeds.
 *
 * @template T
 * @param {() => Promise<T>} attempt
 * @param {AbortSignal} signal
 * @param {(failure: Failure, wait: number) => void} [waiting] an attempt
 *   failed, and the next comes after wait ms
 * @returns {Promise<T>}
 * @throws what an attempt throws that is no {@link Failure}
 */
export async function persist(attempt, signal, waiting = () => {}) {
  for (let failures = 0; ; failures++) {
    try {
      return await attempt();
    } catch (err) {
      if (!(err instanceof Failure)) throw err;
      const wait = err.retry ?? backoff(failures);
      waiting(err, wait);
      await pause(wait, signal);
    }
  }
}

/** How long to wait after a number of failures in a row, in ms.
 * @param {number} failures */
export function backoff(failures) {
  return spread(Math.min(FIRST_WAIT * 2 ** failures, LONGEST_WAIT));
}

/** Spreads a time over half of it to one and a half, so that the readers of a
 * server that went away do not come back all at once.
 * @param {number} ms */
export function spread(ms) {
  return ms / 2 + Math.random() * ms;
}

/** Waits until a time has passed, the machine is back on the network, or the
 * signal comes.
 * @param {number} ms
 * @param {AbortSignal} signal
 * @returns {Promise<void>} */
export function pause(ms, signal) {
  return new Promise(resolve => {
    const over = () => {
      clearTimeout(timer);
      removeEventListener("online", over);
      signal.removeEventListener("abort", over);
      resolve();
    };
    const timer = setTimeout(over, ms);
    addEventListener("online", over);
    signal.addEventListener("abort", over);
    if (signal.aborted) over();
  });
}

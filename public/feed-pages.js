// Asking a server for pages of a feed, and what becomes of a request that fails.

/** @typedef {import("./feed.js").Item} Item
 * @typedef {import("./feed.js").Gap} Gap
 * @typedef {import("./feed.js").Problem} Problem */

/** How many items a page has. */
export const PAGE = 1000;
/** How long a poll waits at the server, in s. */
export const POLL = 25;
/** How long an answer, or the rest of one, may keep us waiting, in ms. */
const SILENCE = 40_000;
/** The bounds of the waits between attempts, in ms. */
export const FIRST_WAIT = 1_000, LONGEST_WAIT = 30_000;
/** The longest that a server's Retry-After is followed, in ms. */
const LONGEST_RETRY_AFTER = 300_000;

/** The server does not let us in, and will not later. */
export class Refusal extends Error {
  /** @param {Problem} problem */
  constructor(problem) {
    super([problem.status, problem.title, problem.detail].filter(Boolean).join(": "));
    this.name = "Refusal";
    this.problem = problem;
  }
}

/** An attempt that failed in a way that may pass. */
export class Failure extends Error {
  /** @param {{problem?: Problem, reason?: string, retry?: number}} [why] retry
   *   is when to come back, in ms, where the server said so */
  constructor({problem, reason = "", retry} = {}) {
    super(problem?.title ?? "the connection failed");
    this.problem = problem;
    this.reason = reason;
    this.retry = retry;
  }
}

/** @returns {Promise<{items: Item[], cursor: string, more: boolean, gap?: Gap}>} */
export async function readPage(url, params, signal) {
  const text = await ask(withParams(url, params), {headers: {Accept: "application/json"}}, signal);
  const page = parsed(text);
  if (!Array.isArray(page?.items)) throw new Failure({problem: {title: "The answer is not a feed's page"}, retry: spread(LONGEST_WAIT)});
  const lines = linesOf(text);
  page.items = page.items.map((item, i) => ({...item, line: lines[i]}));
  return page;
}

/** What a text is as JSON; undefined where it is none. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The strings and brackets of JSON. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{}]/g;

/** The envelopes of a page as they came.
 * @returns {string[]} */
function linesOf(text) {
  const lines = [];
  let depth = 0;
  let begin = 0;
  for (const {0: token, index} of text.matchAll(TOKENS)) {
    if (token === "{" || token === "[") {
      depth++;
      if (depth === 3) begin = index;
    } else if (token === "}" || token === "]") {
      if (depth === 3) lines.push(text.slice(begin, index + 1));
      depth--;
      if (depth === 1) break; // the items come first
    }
  }
  return lines;
}

/** Trades a ticket for the cookie of a session. */
export async function trade(url, ticket, signal) {
  for (let failures = 0; ; failures++) {
    try {
      await ask(new URL("../session", url), {
        method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({ticket}),
      }, signal);
      return;
    } catch (err) {
      // A ticket is good once: the answer to an attempt may have been lost, and
      // the cookie be there.
      if (err instanceof Refusal && failures > 0) return;
      if (!(err instanceof Failure)) throw err;
      await pause(err.retry ?? backoff(failures), signal);
    }
  }
}

/** Makes a request, and gives the text of a good answer: JSON, or none (204).
 * @returns {Promise<string>}
 * @throws {Failure | Refusal | DOMException} the last when the signal came */
export async function ask(url, init, signal) {
  // On a slow network an answer takes its time: it may, while something comes.
  const silence = new AbortController();
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
  // The signal may come when the answer is whole, and is not handed on yet. Then
  // it answers a question that nobody has any more: perhaps one for fewer feeds.
  signal.throwIfAborted();
  const {ok, status} = response;
  const json = /^application\/([^;]+\+)?json\b/.test(response.headers.get("Content-Type") ?? "");
  if (ok && (json || status === 204)) return text;
  const problem = problemOf(response, text);
  const passing = ok || status >= 500 || status === 408 || status === 425 || status === 429;
  if (passing) throw new Failure({problem, reason: problem.type, retry: retryAfter(response)});
  throw new Refusal(problem);
}

/** @returns {Problem} */
function problemOf({ok, status, statusText}, text) {
  if (ok) return {title: "The answer is not a feed's page"};
  const {type, title, detail} = parsed(text) ?? {};
  // Without a title it is not from feedd: a proxy's page, perhaps.
  return title ? {status, type, title, detail} : {status, title: statusText || "The server refused"};
}

/** @returns {number | undefined} ms */
function retryAfter(response) {
  const value = response.headers.get("Retry-After");
  if (!value) return undefined;
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  // Never before that time, not all readers at once, and none at once.
  return wait >= 0 ? Math.max(Math.min(wait, LONGEST_RETRY_AFTER) * (1 + Math.random() / 2), spread(FIRST_WAIT)) : undefined;
}

/** @returns {URL} */
export function withParams(url, params) {
  const address = new URL(url);
  for (const [name, value] of Object.entries(params)) address.searchParams.set(name, value);
  return address;
}

/** How long to wait after so many failures in a row, in ms. */
export function backoff(failures) {
  return spread(Math.min(FIRST_WAIT * 2 ** failures, LONGEST_WAIT));
}

/** Spreads a time over half of it to one and a half, so that the readers of a
 * server that went away do not come back all at once. */
export function spread(ms) {
  return ms / 2 + Math.random() * ms;
}

/** Waits so many ms, or until the machine is back on the network, or until the
 * signal.
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

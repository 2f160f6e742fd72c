// Following a selection of feeds, through whatever happens to the connection.
//
// It reads NDJSON with fetch and not SSE with EventSource: an EventSource gives
// a named event only to a listener for that name, and nobody knows the names of
// all items; and it does not tell why it was refused. The price is that
// reconnecting is done here.
//
// What is promised: on.item gets every item of the selection once and in order,
// from the `last` newest ones on, over all connections. It holds because the
// position moves only behind a line that came whole and was handed on. A line
// that is cut is dropped with its connection, and the server sends it again.

/** Without a sign of life for so long a connection counts as dead, in ms. A
 * server with the default settings gives one each 15 s. */
const IDLE = 35_000;
/** The bounds of the waits between attempts, in ms. */
const FIRST_WAIT = 1_000, LONGEST_WAIT = 30_000;
/** The longest that a server's Retry-After is followed, in ms. */
const LONGEST_RETRY_AFTER = 300_000;
/** The most that IDLE is stretched to, in ms: a server may be set to give signs
 * of life every 10 min. */
const LONGEST_IDLE = 1_500_000;

/**
 * @typedef {object} Item an envelope, see "Read" in the HTTP contract
 * @property {string} id
 * @property {string} feed
 * @property {string} [event]
 * @property {string} time RFC 3339
 * @property {*} data a string, or whatever JSON the publisher gave
 *
 * @typedef {object} Gap items that were selected are gone
 * @property {string} reason trimmed, purged or unknown
 * @property {string[]} [feeds] which feeds lost some
 *
 * @typedef {object} Problem why there is no stream (RFC 9457)
 * @property {number} [status]
 * @property {string} [type] a stable word
 * @property {string} title
 * @property {string} [detail]
 *
 * @typedef {{is: "connecting"} | {is: "live"}
 *   | {is: "waiting", until: number, reason: string, problem?: Problem}
 *   | {is: "refused", problem: Problem}} State
 *   until is a Date.now(). reason is the server's, such as draining; "" when
 *   the connection just broke. refused is the end.
 *
 * @typedef {object} Handlers they must not throw
 * @property {(item: Item, line: string) => void} item line is the item's
 *   envelope as it came: numbers in it are exact
 * @property {(gap: Gap) => void} gap comes before the items that follow the
 *   loss. The same loss may be told again after a reconnect, as long as no item
 *   came between
 * @property {(state: State) => void} state
 */

/**
 * Follows a selection for ever, or until the server refuses it for good.
 *
 * @param {string} selector
 * @param {number} last how many of the newest items to begin with
 * @param {Handlers} on
 */
export async function follow(selector, last, on) {
  const reader = {
    url: `/feeds/${encodeURIComponent(selector)}?last=${last}`,
    position: "", // everything selected up to here was handed on
    patience: IDLE,
    on,
  };
  let failures = 0;
  let reason = "";
  for (;;) {
    on.state({is: "connecting"});
    const end = await connect(reader);
    if (end.refused) {
      on.state({is: "refused", problem: end.problem});
      return;
    }
    if (end.opened) failures = 0;
    // While a restarting server is away, attempts fail without saying why: the
    // reason that it gave stands until there is a stream again.
    if (end.opened || end.reason) reason = end.reason ?? "";
    const wait = end.retry ?? spread(Math.min(FIRST_WAIT * 2 ** failures, LONGEST_WAIT));
    failures++;
    on.state({is: "waiting", until: Date.now() + wait, reason, problem: end.problem});
    await pause(wait);
  }
}

/**
 * One connection, from the request to its end, whatever that is.
 *
 * @returns {Promise<{opened?: boolean, refused?: boolean, reason?: string, retry?: number, problem?: Problem}>}
 *   retry is when to come back, in ms, where the server said so
 */
async function connect(reader) {
  const abort = new AbortController();
  const end = {};
  let timer;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      // Perhaps the server is only set to give signs of life more rarely.
      if (end.opened) reader.patience = Math.min(2 * reader.patience, LONGEST_IDLE);
      abort.abort();
    }, reader.patience);
  };
  alive();
  try {
    const headers = {Accept: "application/x-ndjson"};
    if (reader.position) headers["Last-Event-ID"] = reader.position;
    const response = await fetch(reader.url, {headers, cache: "no-store", signal: abort.signal});
    if (!response.ok || !/^application\/x-ndjson\b/.test(response.headers.get("Content-Type"))) {
      return await refusal(response);
    }
    await readLines(response.body, alive, line => take(reader, end, line));
  } catch (err) {
    // A network error, or the timer: the same as a clean end. But a line that
    // is no JSON would come again at once, each time.
    if (err instanceof SyntaxError) {
      end.retry = spread(LONGEST_WAIT);
      end.problem = {title: "The answer is not a feed's stream"};
    }
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
  return end;
}

/** Calls take with each whole line; a last one without its end is dropped. */
async function readLines(body, alive, take) {
  const chunks = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const {value, done} = await chunks.read();
    if (done) return;
    alive();
    const lines = (rest + decoder.decode(value, {stream: true})).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line) take(line);
    }
  }
}

/** Handles one line: an item or a notice. Those of other kinds are passed over:
 * a newer server may send them. */
function take(reader, end, line) {
  const message = JSON.parse(line);
  const now = Date.now();
  if (!end.opened) {
    end.opened = true;
    reader.on.state({is: "live"});
  } else if (message.cursor && !message.gap) {
    // A heartbeat: it comes after a silence of the length that the server is
    // set to. Two may fail to come, no more.
    reader.patience = Math.max(IDLE, 2.3 * (now - end.heard));
  }
  end.heard = now;
  if (message.id) {
    reader.on.item(message, line);
    reader.position = message.id;
  } else if (message.gap) {
    reader.on.gap(message.gap);
    reader.position = message.cursor;
  } else if (message.cursor) {
    reader.position = message.cursor;
  } else if (message.closing) {
    const {cursor, reason, retry} = message.closing;
    if (cursor) reader.position = cursor;
    end.reason = reason;
    end.retry = retry; // the server has spread it already
  }
}

/** Reads an answer that is no stream: is it for a while or for good? */
async function refusal(response) {
  const problem = await problemOf(response);
  const {status} = response;
  const passing = response.ok || status >= 500 || status === 408 || status === 425 || status === 429;
  return passing ? {problem, reason: problem.type, retry: retryAfter(response)} : {problem, refused: true};
}

/** @returns {Promise<Problem>} */
async function problemOf(response) {
  const {ok, status, statusText} = response;
  if (ok) return {title: "The answer is not a feed's stream"};
  try {
    const {type, title, detail} = await response.json();
    if (title) return {status, type, title, detail};
  } catch {
    // Not from feedd: a proxy's page, perhaps.
  }
  return {status, title: statusText || "The server refused"};
}

/** @returns {number | undefined} ms */
function retryAfter(response) {
  const value = response.headers.get("Retry-After");
  if (!value) return undefined;
  const wait = /^\d+$/.test(value) ? value * 1000 : Date.parse(value) - Date.now();
  // Never before that time, and not all readers at once.
  return wait >= 0 ? Math.min(wait, LONGEST_RETRY_AFTER) * (1 + Math.random() / 2) : undefined;
}

/** Spreads a time over half of it to one and a half, so that the readers of a
 * server that went away do not come back all at once. */
function spread(ms) {
  return ms / 2 + Math.random() * ms;
}

/** Waits so many ms, or until the machine is back on the network. */
function pause(ms) {
  return new Promise(resolve => {
    const over = () => {
      clearTimeout(timer);
      removeEventListener("online", over);
      resolve();
    };
    const timer = setTimeout(over, ms);
    addEventListener("online", over);
  });
}

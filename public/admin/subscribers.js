// The table of subscribers: who reads, how far behind, and cutting one.

import {around, make, makeButton, one, setText} from "../shared/dom.js";
import {problemIn, request, sentenceOf} from "../shared/http.js";
import {confirmed} from "./question.js";
import {TYPING, whileSeen} from "./seen.js";
import {age, count, counted} from "./units.js";

/** How often the list is fetched, in ms: as often as that of feeds. */
const EVERY = 2000;
/** How many subscribers are fetched: a few screens. The server sends first those
 * that are behind; others are found by the filter. */
const LIMIT = 100;
/** Below this many seconds tenths are shown; above it they say nothing more. */
const TENTHS = 100;

/** @type {Record<string, string>} */
const STATES = {parked: "up to date", blocked: "its connection is full", "catching-up": "catching up"};
/** @type {Record<string, string>} */
const TRANSPORTS = {sse: "SSE", ndjson: "NDJSON", websocket: "WebSocket", poll: "polling"};

/**
 * @typedef {object} Row a subscriber in the list of the server
 * @property {string} id
 * @property {string} transport
 * @property {string} [address]
 * @property {string} selector
 * @property {string} since
 * @property {string} state
 * @property {number} behind_seconds
 */

/** @param {HTMLElement} section has the table and the words
 * @param {{tell: (text: string, how?: string) => void, failed: (problem: import("../feed.js").Problem) => void}} to */
export function subscriberList(section, to) {
  const body = one(section, "tbody");
  const words = one(section, ".shown");
  const filter = one(section, "input", HTMLInputElement);
  /** @type {Map<string, HTMLTableRowElement>} */
  const elements = new Map();

  const polling = whileSeen(section, EVERY, async () => {
    const match = filter.value.trim();
    /** @type {{subscribers: Row[], total: number}} */
    let list;
    try {
      list = (await request("GET", `/subscribers?${new URLSearchParams({match, limit: String(LIMIT)})}`)).value;
    } catch (error) {
      const problem = problemIn(error);
      to.failed(problem);
      words.textContent = sentenceOf(problem);
      return;
    }
    if (match !== filter.value.trim()) return; // the answer is to an older question
    const rows = list.subscribers;
    const known = new Set(rows.map(({id}) => id));
    for (const [id, element] of elements) {
      if (known.has(id)) continue;
      element.remove();
      elements.delete(id);
    }
    // A row that was here stays in its place.
    for (const row of rows) {
      const element = elements.get(row.id) ?? makeRow(row);
      if (!elements.has(row.id)) body.append(element);
      elements.set(row.id, element);
      fill(element, row);
    }
    const shown = match && rows.length < LIMIT ? `${count(rows.length)} of ${counted(list.total, "subscriber")} with this in the address, or in what is read.`
      : `${count(rows.length)} of ${counted(list.total, "subscriber")}; those that are behind come first.`;
    const all = list.total === rows.length ? `${counted(list.total, "subscriber")}.` : shown;
    setText(words, all);
  });

  /** @type {ReturnType<typeof setTimeout>} */
  let typed;
  filter.addEventListener("input", () => {
    clearTimeout(typed);
    typed = setTimeout(() => polling.now(), TYPING);
  });
  body.addEventListener("click", async event => {
    const row = around(event, "button")?.closest("tr");
    if (!row) return;
    const {id = "", who = ""} = row.dataset;
    const sure = await confirmed({
      title: `Cut ${who}?`, yes: "Cut the connection",
      text: "Its connection is closed. A reader that is well-behaved comes back by itself, and misses nothing.",
    });
    if (!sure) return;
    try {
      await request("DELETE", `/subscribers/${encodeURIComponent(id)}`);
      to.tell(`${who} was cut.`, "good");
    } catch (error) {
      const problem = problemIn(error);
      to.failed(problem);
      to.tell(problem.status === 404 ? `${who} is not there any more.` : `${who} was not cut. ${sentenceOf(problem)}`, "bad");
    }
    polling.now();
  });
  return polling;
}

/** @param {Row} row */
function makeRow(row) {
  const th = make("th", "", row.address || "on the socket");
  th.scope = "row";
  const cut = makeButton("danger", "Cut…");
  const who = `${row.address || "a reader on the socket"}, which reads ${row.selector}`;
  cut.setAttribute("aria-label", `Cut ${who}`);
  const state = make("td");
  state.dataset.column = "state";
  const since = make("td", "number");
  since.dataset.column = "since";
  const behind = make("td", "number");
  behind.dataset.column = "behind";
  const element = make("tr", "", th, make("td", "", TRANSPORTS[row.transport] ?? row.transport), make("td", "selector", row.selector),
    since, state, behind, make("td", "number", cut));
  element.dataset.id = row.id;
  element.dataset.who = who;
  return element;
}

/** @param {HTMLTableRowElement} element
 * @param {Row} row */
function fill(element, row) {
  /** @type {(column: string, text: string) => void} */
  const set = (column, text) => setText(one(element, `[data-column=${column}]`), text);
  set("since", age(Date.now() - Date.parse(row.since)));
  set("state", STATES[row.state] ?? row.state);
  const behind = row.behind_seconds;
  set("behind", behind > 0 ? `behind by ${behind < TENTHS ? `${count(Math.round(behind * 10) / 10)} s` : age(behind * 1000)}` : "–");
}

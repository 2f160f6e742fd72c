// The table of subscribers: who reads, how far behind, and cutting one.

import {ask} from "./question.js";
import {request} from "./request.js";
import {whileSeen} from "./seen.js";
import {make} from "../shared/text.js";
import {age, count, counted} from "./units.js";

/** How often the list is fetched, in ms, and how many subscribers. */
const EVERY = 2000, LIMIT = 100;

const STATES = {parked: "up to date", blocked: "its connection is full", "catching-up": "catching up"};
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
 * @param {{tell: (text: string, how?: string) => void, failed: (error: Error) => void}} to */
export function subscriberList(section, to) {
  const body = section.querySelector("tbody");
  const words = section.querySelector(".shown");
  const filter = section.querySelector("input");
  /** @type {Map<string, HTMLTableRowElement>} */
  const elements = new Map();

  const polling = whileSeen(section, EVERY, async () => {
    const match = filter.value.trim();
    /** @type {{subscribers: Row[], total: number}} */
    let list;
    try {
      list = (await request("GET", `/subscribers?${new URLSearchParams({match, limit: String(LIMIT)})}`)).value;
    } catch (error) {
      to.failed(error);
      words.textContent = `${error.message}.`;
      return;
    }
    if (match !== filter.value.trim()) return; // of before
    const rows = list.subscribers;
    const known = new Set(rows.map(({id}) => id));
    for (const [id, element] of elements) {
      if (known.has(id)) continue;
      element.remove();
      elements.delete(id);
    }
    // Who was here stays in its place.
    for (const row of rows) {
      if (!elements.has(row.id)) {
        elements.set(row.id, makeRow(row));
        body.append(elements.get(row.id));
      }
      fill(elements.get(row.id), row);
    }
    const shown = match && rows.length < LIMIT ? `${count(rows.length)} of ${counted(list.total, "subscriber")} with this in the address, or in what is read.`
      : `${count(rows.length)} of ${counted(list.total, "subscriber")}; who has not got everything comes first.`;
    const all = list.total === rows.length ? `${counted(list.total, "subscriber")}.` : shown;
    if (words.textContent !== all) words.textContent = all;
  });

  let typed;
  filter.addEventListener("input", () => {
    clearTimeout(typed);
    typed = setTimeout(() => polling.now(), 250);
  });
  body.addEventListener("click", async ({target}) => {
    const button = target.closest("button");
    if (!button) return;
    const {id, who} = button.closest("tr").dataset;
    const sure = await ask({
      title: `Cut ${who}?`, yes: "Cut the connection",
      text: "Its connection is closed. A reader that is well-behaved comes back by itself, and misses nothing.",
    });
    if (!sure) return;
    try {
      await request("DELETE", `/subscribers/${encodeURIComponent(id)}`);
      to.tell(`${who} was cut.`, "good");
    } catch (error) {
      to.failed(error);
      to.tell(error.status === 404 ? `${who} is not there any more.` : `${who} was not cut. ${error.message}.`, "bad");
    }
    polling.now();
  });
  return polling;
}

/** @param {Row} row */
function makeRow(row) {
  const th = make("th", "", row.address || "on the socket");
  th.scope = "row";
  const cut = make("button", "danger", "Cut…");
  cut.type = "button";
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
  const set = (column, text) => {
    const cell = element.querySelector(`[data-column=${column}]`);
    if (cell.textContent !== text) cell.textContent = text;
  };
  set("since", age(Date.now() - Date.parse(row.since)));
  set("state", STATES[row.state] ?? row.state);
  const behind = row.behind_seconds;
  set("behind", behind > 0 ? `behind by ${behind < 100 ? `${count(Math.round(behind * 10) / 10)} s` : age(behind * 1000)}` : "–");
}

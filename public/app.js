// The reader's page: the newest items of a feed, then each as it comes.
//
// Whatever comes from the server is put in as text (textContent), never as
// HTML: publishers are not trusted with the page.

import {Feed} from "./feed.js";
import {textOf} from "./text.js";

/** How many of the newest items the page begins with. */
const LAST = 20;
/** How many rows are kept at most. */
const ROWS = 500;
/** How much of an item's data is shown, in characters. */
const LENGTH = 20_000;

/** Why items are missing, in words. */
const GAPS = {unknown: "unknown, since the server does not know where this page stood"};

const $ = id => document.getElementById(id);
const selector = selectorOf(location);
const several = /[*,]/.test(selector);

/** The selector is the path's, /feeds/SELECTOR, else ?feed=, else main. */
function selectorOf({pathname, search}) {
  const path = /^\/feeds\/(.+)$/.exec(pathname);
  if (!path) return new URLSearchParams(search).get("feed")?.trim() || "main";
  try {
    return decodeURIComponent(path[1]);
  } catch {
    return path[1]; // no UTF-8; the server will say what is wrong with it
  }
}

// Rows.

let pending = []; // made, and not yet on the page; the oldest first
let dropped = false; // there were more rows than are kept
let lastGap = ""; // the text of the newest row, where it is a gap

const shortTime = new Intl.DateTimeFormat(undefined, {month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit"});
const fullTime = new Intl.DateTimeFormat(undefined, {dateStyle: "full", timeStyle: "long"});

function fromTemplate(id) {
  return $(id).content.firstElementChild.cloneNode(true);
}

function addItem(item) {
  const row = fromTemplate("item");
  const [time, feed, event, data, more] = row.querySelectorAll("time, .feed, .event, .data, .more");
  row.dataset.id = item.id;
  const date = new Date(item.time);
  if (!Number.isNaN(date.valueOf())) {
    time.dateTime = item.time;
    time.title = fullTime.format(date);
    time.textContent = shortTime.format(date);
  }
  if (several) {
    feed.textContent = item.feed;
    feed.href = `/?feed=${encodeURIComponent(item.feed)}`;
  } else {
    feed.remove();
  }
  if (item.event) event.textContent = item.event;
  else event.remove();
  const {text, json, whole} = textOf(item, LENGTH);
  data.textContent = text;
  data.classList.toggle("json", json);
  if (whole) more.remove();
  else more.firstElementChild.href = `/feeds/${encodeURIComponent(item.feed)}/items/${encodeURIComponent(item.id)}`;
  lastGap = "";
  add(row);
}

function addGap({reason, feeds}) {
  let text = `items are missing here: ${GAPS[reason] ?? reason}`;
  if (several && feeds?.length) text += ` (${feeds.join(", ")})`;
  // Two markers with nothing between them are one: the server tells a loss
  // again when the connection broke before the next item.
  if (text === lastGap) return;
  lastGap = text;
  const row = fromTemplate("gap");
  row.firstElementChild.textContent = text;
  add(row);
}

/** Rows go onto the page once for each frame, however many come. A page in the
 * background gets no frames, so what waits is bounded like what is shown. */
function add(row) {
  if (pending.length === 0) requestAnimationFrame(render);
  pending.push(row);
  if (pending.length === 2 * ROWS) {
    pending = pending.slice(-ROWS);
    dropped = true;
  }
}

function render() {
  const list = $("items");
  list.prepend(...pending.reverse());
  pending = [];
  while (list.children.length > ROWS) {
    list.lastElementChild.remove();
    dropped = true;
  }
  $("older").hidden = !dropped;
  $("empty").hidden = true;
}

// The connection.

let state = {is: "connecting"};

/** @param {import("./feed.js").State} next */
function showState(next) {
  // The words of a wait stand through the attempt that ends it: a reader need
  // not hear of each.
  const again = next.is === "connecting" && state.is === "waiting";
  state = again ? {...state, until: 0} : next;
  const words = {
    connecting: "connecting",
    live: "live",
    waiting: state.reason === "draining" ? "server is restarting" : "reconnecting",
    refused: "not connected",
  };
  setText($("state"), words[state.is]);
  $("connection").dataset.is = state.is;
  showCountdown();
  showProblem(state.reason === "draining" ? undefined : state.problem);
  if (state.is === "live") $("empty").hidden = pending.length > 0 || $("items").hasChildNodes();
}

/** Sets a text that is read aloud when it changes: only when it does. */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function showCountdown() {
  const seconds = state.until ? Math.ceil((state.until - Date.now()) / 1000) : 0;
  $("countdown").textContent = seconds > 0 ? `${state.reason === "draining" ? ", trying again" : ""} in ${seconds} s` : "";
}

function showProblem(problem) {
  const section = $("problem");
  section.hidden = !problem;
  if (!problem) return;
  const [title, detail] = section.children;
  setText(title, [problem.status, problem.title].filter(Boolean).join(" "));
  setText(detail, problem.detail ?? "");
}

// What is there from the beginning.

/** A word as a shell takes it: [::1] would be a pattern. */
function shellWord(word) {
  return /^[\w./:@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** How to publish an item that this page shows. */
function command() {
  const feed = selector.split(",")[0].replaceAll(/\*+/g, "example");
  return `curl -H "Authorization: Bearer $(cat data/admin.key)" \\\n  -d 'hello' ${shellWord(`${location.origin}/feeds/${feed}`)}`;
}

document.title = `${selector} · feedd`;
$("feed").textContent = selector;
$("selector").value = selector;
$("command").textContent = command();
// By hand: the page's policy lets no form be sent.
$("choose").addEventListener("submit", event => {
  event.preventDefault();
  location.assign(`/?feed=${encodeURIComponent($("selector").value.trim())}`);
});
setInterval(showCountdown, 500);
showState(state);
const live = new Feed(`/feeds/${encodeURIComponent(selector)}`, {last: LAST});
live.addEventListener("item", ({detail}) => addItem(detail));
live.addEventListener("gap", ({detail}) => addGap(detail));
live.addEventListener("state", ({detail}) => showState(detail));

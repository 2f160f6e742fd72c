// The reader's page: wires the other files together.
//
// What comes from the server is put in as text (textContent), never as HTML,
// because publishers are not trusted with the page.

import {spread} from "../feed-pages.js";
import {Feed} from "../feed.js";
import {feedAt, pageFor, readAddress} from "../shared/address.js";
import {$, around, blur, focused, fromTemplate, setText} from "../shared/dom.js";
import {problemIn, wordsOf} from "../shared/http.js";
import {sourceOf} from "../shared/text.js";
import {detailsFor, newItems, problemShown, shownAfter, wordsFor} from "../shared/words.js";
import {teller} from "./aloud.js";
import {copy, followers, shellWord} from "./copy.js";
import {listenForKeys} from "./keys.js";
import {List} from "./list.js";
import {closeMenu, openMenu} from "./menu.js";
import {STEP, Stretch} from "./stretch.js";

/** @typedef {import("../feed.js").Item} Item
 * @typedef {import("../feed.js").State} State
 * @typedef {import("../shared/address.js").Address} Address */

/** When the reader lets go, up to this many waiting items are shown, as many as
 * the list can hold. If there are more, the page begins anew at the newest. */
const CATCH_UP = 500;
/** After about how long reading of newer items that failed is tried again, in
 * ms: by then the reader has read the words that say so. */
const AGAIN = 10_000;
/** How long a typed filter must stay unchanged before it is applied, in ms:
 * longer than the time between two keys. */
const TYPING = 200;
/** How long a short message stands, in ms: long enough to read it. */
const MESSAGE = 3_000;
/** How often what changes by itself, such as a countdown, is shown, in ms:
 * twice a second, so that no second is skipped. */
const TICK = 500;
/** Older items are loaded when the end of the list is nearer to the window than
 * this: some eight rows. */
const NEAR_END = "600px";

/** The rows that the keyboard goes to. */
const ROW = "#items > li";

let address = readAddress(location);
/** @type {Feed | undefined} */
let feed;
/** @type {State} */
let state = {is: "connecting"};
let paused = false;
let scrolled = false; // the newest row is above the window
let upwards = false; // the reader scrolled up to it, to see newer items
let words = ""; // what an item must contain, in small letters
let told = ""; // a message of the page itself
/** @type {Address | undefined} its place could not be shown */
let missed;

/** Whether new items are only counted. */
const held = () => paused || scrolled || list.element.contains(document.activeElement);

const list = new List($("items"), {itemRow: () => fromTemplate("item"), gapRow: () => fromTemplate("gap")});
const stretch = new Stretch(list, {
  held,
  scrolled: () => scrolled,
  followed: () => Boolean(feed?.lastEventId),
  matches,
  changed: () => {
    $("empty").hidden = true;
    showSoon();
  },
});
const tellNew = teller($("aloud"));

/** Whether an item has the words of the filter.
 * @param {Item} item */
function matches(item) {
  if (!words) return true;
  const {data, event, feed} = item;
  // In its values, and in its source, because a number is shown as it is written.
  const text = typeof data === "string" ? data : `${JSON.stringify(data)} ${sourceOf(item)}`;
  return `${event ?? ""} ${list.several ? feed : ""} ${text}`.toLowerCase().includes(words);
}

// Where the page is.

/** Shows an address, from its beginning.
 * @param {Address} next */
async function go(next) {
  const mine = address = {...next};
  feed?.close();
  feed = undefined;
  upwards = false;
  tell("");
  showAddress();
  stretch.begin(address);
  if (!address.at) {
    follow({last: STEP});
    return;
  }
  let top;
  try {
    top = await stretch.around(mine.at);
  } catch (err) {
    if (mine !== address) return;
    const problem = problemIn(err);
    const {status = 0} = problem;
    // The newest items are there instead. What the server refuses now, it will
    // refuse later too.
    if (!(status >= 400 && status < 500)) missed = mine;
    tell(`${mine.at} cannot be shown: ${wordsOf(problem)}.`);
    follow({last: STEP});
    return;
  }
  if (mine !== address) return;
  showPlace();
  // Newer items than these are asked for when the reader goes there.
  follow(top ? {lastEventId: top} : {since: "now"});
}

/** @param {import("../feed.js").Options} options where to begin */
function follow(options) {
  const mine = feed = new Feed(`/feeds/${encodeURIComponent(address.selector)}`, {...options, event: address.events});
  mine.addEventListener("item", ({detail: item}) => {
    stretch.came({item});
    if (matches(item) && mine.state.is === "live") tellNew(item); // not the items that it begins with
  });
  mine.addEventListener("gap", ({detail: gap}) => stretch.came({gap}));
  mine.addEventListener("state", ({detail}) => showState(detail));
}

/** Shows another address, and remembers this one in the browser's history.
 * @param {Address} next */
function visit(next) {
  history.pushState(null, "", pageFor(next));
  go(next);
}

function showAddress() {
  const {selector, events} = address;
  document.title = `${selector} · feedd`;
  $("feed").textContent = $("selector", HTMLInputElement).value = selector;
  $("events", HTMLInputElement).value = events;
  list.several = /[*,]/.test(selector);
  list.addressOf = item => pageFor({...address, at: item.id});
  $("none").textContent = events ? `No items yet of the event ${events.replaceAll(",", " or ")}` : "No items yet";
  $("command").textContent = command();
  const {curl, source} = followers(address);
  $("as-curl").textContent = curl;
  $("as-source").textContent = source;
}

/** Shows the item that the address is about, or where it would be. */
function showPlace() {
  const rows = list.rows.filter(row => row.dataset.id);
  const exact = rows.find(row => row.dataset.id === address.at);
  const at = /^\d+$/.test(address.at) ? Number(address.at) : Date.parse(address.at) * 1000;
  const row = exact ?? rows.findLast(row => Number(row.dataset.id) >= at) ?? rows[0];
  if (!exact && /^\d+$/.test(address.at)) tell(`The item ${address.at} is not here (any more)${words || address.events ? ", or the filter leaves it out" : ""}. This is where it would be.`);
  if (!row) return;
  row.classList.add("here");
  row.scrollIntoView({block: "center", behavior: "instant"});
  row.focus({preventScroll: true});
  look();
}

/** How to publish an item that this page shows. */
function command() {
  const selector = address.selector.split(",")[0].replaceAll(/\*+/g, "example");
  const [event] = address.events.split(",");
  const url = feedAt({selector, events: event === "message" ? "" : event});
  return `curl -H "Authorization: Bearer $(cat data/admin.key)" \\\n  -d 'hello' ${shellWord(url.href)}`;
}

// What it says.

/** @param {State} next */
function showState(next) {
  // The word live stands while the connection is made anew for another address.
  if (next.is === "connecting" && state.is === "live") return;
  const back = next.is === "live" && state.is === "waiting";
  state = shownAfter(state, next);
  setText($("state"), wordsFor(state));
  $("connection").dataset.is = state.is;
  const problem = problemShown(state);
  $("problem").hidden = !problem;
  if (problem) {
    setText($("problem-title"), [problem.status, problem.title].filter(Boolean).join(" "));
    setText($("problem-detail"), problem.detail ?? "");
    $("sign-in").hidden = problem.status !== 401;
  }
  if (back) {
    stretch.trouble = {}; // it is tried again
    if (missed === address) {
      go(address);
      return;
    }
  }
  if (state.is === "live") {
    stretch.fresh();
    $("empty").hidden = stretch.behind > 0 || stretch.bottom !== "" || list.length > 0;
  }
  show();
}

let asked = false;
/** Shows the numbers with the next frame, however often they change. */
function showSoon() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    show();
  });
}

function show() {
  const {attached, waiting: {count: waiting, least}, behind, bottom, ended, passed} = stretch;
  setText($("details"), detailsFor(state, {paused, waiting, least, behind}));
  setText($("pause"), paused ? "Resume" : "Pause");
  const away = !attached && list.length > 0;
  list.element.classList.toggle("flows", attached && !scrolled);
  setText($("new"), waiting > 0 ? `${newItems(waiting, least)}, show` : "To the newest");
  const news = waiting > 0 || away;
  if ($("newer").hidden === away || $("new").hidden === news) { // they are above the rows
    const toggle = () => {
      $("newer").hidden = !away;
      $("new").hidden = !news;
    };
    if (scrolled) list.inPlace(toggle);
    else toggle();
  }
  $("older").hidden = ended || bottom === "";
  setText($("older"), words ? "Search older items" : "Load older items");
  const none = words && bottom && !list.element.querySelector(":scope > [data-id]:not([hidden])");
  const back = words && passed && bottom ? `Searched back to ${new Date(Number(bottom) / 1000).toLocaleString()}.` : "";
  const end = [none && "No item here has this text.", ended ? "This is all that the server has." : back, stretch.trouble.older];
  setText($("end"), end.filter(Boolean).join(" "));
  const message = told || stretch.trouble.newer || "";
  setText($("message"), message);
  $("message").hidden = !message;
}

/** Shows a message of the page itself.
 * @param {string} text "" for none */
function tell(text) {
  told = text;
  show();
}

// What the reader does.

/** Notes where the window is. At the upper end the list goes on. */
function look() {
  const was = scrolled;
  scrolled = list.element.getBoundingClientRect().top < 0;
  upwards = !scrolled && !stretch.attached && (was || upwards);
  if (was && !scrolled) letGo();
  if (was !== scrolled) list.inPlace(show); // rows get their sizes
}

let again = 0;
/** Goes on to the newest, when nothing holds the page any more and the server
 * is there; by a page at a time for a reader who scrolls upwards. */
async function letGo() {
  if (state.is !== "live" || stretch.trouble.newer && Date.now() < again) return;
  if (stretch.attached || paused || scrolled) return;
  if (!upwards && (held() || stretch.apart)) return;
  if (!upwards && (stretch.waiting.count > CATCH_UP || stretch.waiting.least)) {
    toNewest();
    return;
  }
  const there = await stretch.newer(upwards ? {} : {limit: CATCH_UP, keepPlace: false});
  if (there) upwards = false;
  else again = Date.now() + spread(AGAIN);
}

function toNewest() {
  closeMenu(document.querySelector(".menu"));
  if (list.element.contains(document.activeElement)) blur();
  paused = false;
  scrollTo({top: 0, behavior: "instant"});
  scrolled = false;
  if (address.at) visit({...address, at: ""});
  else if (!stretch.attached) go(address);
  show();
}

/** @param {boolean} on */
function setPaused(on) {
  paused = on;
  upwards &&= stretch.apart; // what was only counted is shown at once
  if (!on) letGo();
  show();
}

/** Goes to the next row that is seen.
 * @param {1 | -1} direction downwards, or upwards */
function step(direction) {
  const rows = list.rows.filter(row => !row.hidden);
  const row = focused(ROW);
  const now = row ? rows.indexOf(row) : -1;
  const next = now < 0 ? rows.find(row => row.getBoundingClientRect().bottom > 0) : rows[now + direction];
  next?.focus({preventScroll: true});
  next?.scrollIntoView({block: "nearest"});
}

/** Opens the menu of a row, or closes it.
 * @param {HTMLElement | undefined} row */
function menuFor(row) {
  const old = document.querySelector(".menu");
  const again = old !== null && row?.contains(old);
  closeMenu(old);
  const item = row && list.itemOf(row);
  if (item && !again) openMenu(row, item, address, fromTemplate("copies"), say);
}

/** @type {ReturnType<typeof setTimeout>} */
let saying;
/** Says something short, aloud too.
 * @param {string} text */
function say(text) {
  setText($("said"), "");
  setText($("said"), text);
  clearTimeout(saying);
  saying = setTimeout(() => setText($("said"), ""), MESSAGE);
}

function escape() {
  const menu = document.querySelector(".menu");
  if (menu) closeMenu(menu);
  else blur();
}

/** Acts where a browser would send a form, which the page's policy forbids.
 * @param {string} id
 * @param {() => void} act */
const submitted = (id, act) => $(id).addEventListener("submit", event => {
  event.preventDefault();
  act();
});
/** @param {string} id */
const valueOf = id => $(id, HTMLInputElement).value.trim();
submitted("choose", () => visit({selector: valueOf("selector") || "main", events: "", at: ""}));
submitted("narrow", () => {
  const events = valueOf("events").replaceAll(/\s/g, "");
  if (events !== address.events) visit({...address, events});
});
submitted("goto", async () => {
  const {placeOf} = await import("./when.js");
  const at = placeOf(valueOf("place"), new Date());
  $("place").setAttribute("aria-invalid", String(!at));
  if (at) visit({...address, at});
  else tell("Write a time (14:30, yesterday 9:15, 10m ago) or an id.");
});
$("events").addEventListener("change", () => $("narrow", HTMLFormElement).requestSubmit());
/** @type {ReturnType<typeof setTimeout>} */
let typed;
$("words").addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(() => {
    words = valueOf("words").toLowerCase();
    // Items that were passed over may match now.
    if (stretch.passed) go(address);
    stretch.filter();
    stretch.recount();
    show();
  }, TYPING);
});
$("pause").addEventListener("click", () => setPaused(!paused));
$("new").addEventListener("click", toNewest);
$("newer").addEventListener("click", () => {
  tell("");
  stretch.newer();
});
$("older").addEventListener("click", () => {
  tell("");
  stretch.older(words !== "");
});
list.element.addEventListener("click", event => {
  if (around(event, ".copy")) menuFor(around(event, ROW));
});
list.element.addEventListener("click", event => {
  const a = around(event, ".time", HTMLAnchorElement);
  if (!a || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  visit(readAddress(a));
});
for (const id of ["empty", "elsewhere"]) {
  $(id).addEventListener("click", async event => {
    const place = around(event, "button")?.previousElementSibling;
    if (place instanceof HTMLElement) say(await copy(place.textContent, place) ? "Copied" : "Selected, to be copied");
  });
}
list.element.addEventListener("focusout", () => setTimeout(letGo));
addEventListener("scroll", look, {passive: true});
addEventListener("resize", look);
addEventListener("popstate", () => {
  const next = readAddress(location);
  if (pageFor(next) !== pageFor(address)) go(next); // the link to the items changes only the fragment
});
let nearEnd = false;
/** Goes on downwards by itself, when the window is near the end of the list and
 * that is not still being filled. */
function goOn(records = ends.takeRecords()) {
  nearEnd = records.at(-1)?.isIntersecting ?? nearEnd;
  if (nearEnd && !words && !stretch.trouble.older && list.length > 0 && stretch.behind === 0) stretch.older(false);
}
const ends = new IntersectionObserver(records => goOn(records), {rootMargin: NEAR_END});
ends.observe($("older"));
listenForKeys({
  j: () => step(1),
  k: () => step(-1),
  p: () => setPaused(!paused),
  n: toNewest,
  c: () => menuFor(focused(ROW)),
  g: () => $("place").focus(),
  "/": () => $("words").focus(),
  "?": () => $("help").toggleAttribute("open"),
  Escape: escape,
}, $("shortcuts", HTMLInputElement));
setInterval(() => {
  show();
  letGo();
  goOn();
}, TICK);

showState(state);
go(address);

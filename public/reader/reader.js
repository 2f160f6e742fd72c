// The reader's page: wires what the other files have.
//
// Whatever comes from the server is put in as text (textContent), never as
// HTML: publishers are not trusted with the page.

import {feedAt, pageFor, readAddress} from "../shared/address.js";
import {teller} from "./aloud.js";
import {followers, shellWord, copy} from "./copy.js";
import {spread} from "../feed-pages.js";
import {Feed} from "../feed.js";
import {listenForKeys} from "./keys.js";
import {List} from "./list.js";
import {closeMenu, openMenu} from "./menu.js";
import {PAGE, Stretch} from "./stretch.js";
import {sourceOf} from "../shared/text.js";
import {detailsFor, newItems, wordsFor} from "../shared/words.js";

/** What is waited for is shown when the reader lets go, up to so many items;
 * with more the page begins anew at the newest. */
const CATCH_UP = 500;
/** When that failed it is tried again after so long, in ms, about. */
const AGAIN = 10_000;

const $ = id => document.getElementById(id);
const fromTemplate = id => $(id).content.firstElementChild.cloneNode(true);

let address = readAddress(location);
/** @type {Feed | undefined} */
let feed;
/** @type {import("../feed.js").State} */
let state = {is: "connecting"};
let paused = false;
let scrolled = false; // the newest row is above the window
let upwards = false; // the reader scrolled up to it, to see what is newer
let words = ""; // that an item must have, in small letters
let told = ""; // a message of the page itself
/** @type {import("../shared/address.js").Address | undefined} whose place could not be shown */
let missed;

/** Whether what comes is only counted. */
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
 * @param {import("../feed.js").Item} item */
function matches(item) {
  if (!words) return true;
  const {data, event, feed} = item;
  // In what it says, and in what is seen of it.
  const text = typeof data === "string" ? data : `${JSON.stringify(data)} ${sourceOf(item)}`;
  return `${event ?? ""} ${list.several ? feed : ""} ${text}`.toLowerCase().includes(words);
}

// Where the page is.

/** Shows an address, from its beginning. */
async function go(next) {
  const mine = address = {...next};
  feed?.close();
  feed = undefined;
  upwards = false;
  tell("");
  showAddress();
  stretch.begin(address);
  if (!address.at) {
    follow({last: PAGE});
    return;
  }
  let top;
  try {
    top = await stretch.around(mine.at);
  } catch (err) {
    if (mine !== address) return;
    // The newest are there instead. What is no place now will be none later.
    if (!(err.status >= 400 && err.status < 500)) missed = mine;
    tell(`${mine.at} cannot be shown: ${err.message}.`);
    follow({last: PAGE});
    return;
  }
  if (mine !== address) return;
  showPlace();
  // What is further up is asked for when the reader goes there.
  follow(top ? {lastEventId: top} : {since: "now"});
}

function follow(options) {
  const mine = feed = new Feed(`/feeds/${encodeURIComponent(address.selector)}`, {...options, event: address.events});
  mine.addEventListener("item", ({detail: item}) => {
    stretch.came({item});
    if (matches(item) && mine.state.is === "live") tellNew(item); // not what it begins with
  });
  mine.addEventListener("gap", ({detail: gap}) => stretch.came({gap}));
  mine.addEventListener("state", ({detail}) => showState(detail));
}

/** Shows another address, and remembers this one in the browser's history. */
function visit(next) {
  history.pushState(null, "", pageFor(next));
  go(next);
}

function showAddress() {
  const {selector, events} = address;
  document.title = `${selector} · feedd`;
  $("feed").textContent = $("selector").value = selector;
  $("events").value = events;
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
  const rows = [...list.element.querySelectorAll("[data-id]")];
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

/** @param {import("../feed.js").State} next */
function showState(next) {
  // The words of a wait stand through the attempt that ends it, and those of a
  // connection when it is made anew for another address.
  if (next.is === "connecting" && state.is === "live") return;
  const again = next.is === "connecting" && state.is === "waiting";
  const back = next.is === "live" && state.is === "waiting";
  state = again ? {...state, until: 0} : next;
  setText($("state"), wordsFor(state));
  $("connection").dataset.is = state.is;
  const problem = state.reason === "draining" ? undefined : state.problem;
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
  const {attached, waiting, least, behind, bottom, ended, passed} = stretch;
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

/** Sets a text that is read aloud when it changes: only when it does. */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A message of the page itself; "" for none. */
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
  if (!upwards && (stretch.waiting > CATCH_UP || stretch.least)) {
    toNewest();
    return;
  }
  const there = await stretch.newer(upwards ? {} : {limit: CATCH_UP, keepPlace: false});
  if (there) upwards = false;
  else again = Date.now() + spread(AGAIN);
}

function toNewest() {
  closeMenu(document.querySelector(".menu"));
  if (list.element.contains(document.activeElement)) document.activeElement.blur();
  paused = false;
  scrollTo({top: 0, behavior: "instant"});
  scrolled = false;
  if (address.at) visit({...address, at: ""});
  else if (!stretch.attached) go(address);
  show();
}

function setPaused(on) {
  paused = on;
  upwards &&= stretch.apart; // what was only counted comes at once
  if (!on) letGo();
  show();
}

/** Goes to the next row that is seen, downwards or upwards. */
function step(direction) {
  const rows = [...list.element.children].filter(row => !row.hidden);
  const now = rows.indexOf(document.activeElement?.closest("#items > li"));
  const next = now < 0 ? rows.find(row => row.getBoundingClientRect().bottom > 0) : rows[now + direction];
  next?.focus({preventScroll: true});
  next?.scrollIntoView({block: "nearest"});
}

function menuFor(row) {
  const old = document.querySelector(".menu");
  const again = old !== null && row?.contains(old);
  closeMenu(old);
  const item = row && list.itemOf(row);
  if (item && !again) openMenu(row, item, address, fromTemplate("copies"), say);
}

/** Says something short, aloud too. */
function say(text) {
  setText($("said"), "");
  setText($("said"), text);
  clearTimeout(say.timer);
  say.timer = setTimeout(() => setText($("said"), ""), 3000);
}

function escape() {
  const menu = document.querySelector(".menu");
  if (menu) closeMenu(menu);
  else document.activeElement?.blur();
}

// By hand: the page's policy lets no form be sent.
const submitted = (id, act) => $(id).addEventListener("submit", event => {
  event.preventDefault();
  act();
});
submitted("choose", () => visit({selector: $("selector").value.trim() || "main", events: "", at: ""}));
submitted("narrow", () => {
  const events = $("events").value.replaceAll(/\s/g, "");
  if (events !== address.events) visit({...address, events});
});
submitted("goto", async () => {
  const {placeOf} = await import("./when.js");
  const at = placeOf($("place").value, new Date());
  $("place").setAttribute("aria-invalid", String(!at));
  if (at) visit({...address, at});
  else tell("Write a time (14:30, yesterday 9:15, 10m ago) or an id.");
});
$("events").addEventListener("change", () => $("narrow").requestSubmit());
let typed;
$("words").addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(() => {
    words = $("words").value.trim().toLowerCase();
    // What was passed over before may match now.
    if (stretch.passed) go(address);
    stretch.filter();
    stretch.recount();
    show();
  }, 200);
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
list.element.addEventListener("click", ({target}) => {
  if (target.closest(".copy")) menuFor(target.closest("#items > li"));
});
list.element.addEventListener("click", event => {
  const a = event.target.closest(".time");
  if (!a || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  visit(readAddress(a));
});
for (const id of ["empty", "elsewhere"]) {
  $(id).addEventListener("click", async ({target}) => {
    const place = target.closest("button")?.previousElementSibling;
    if (place) say(await copy(place.textContent, place) ? "Copied" : "Chosen, to be copied");
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
/** Goes on downwards by itself, when the reader is near the end of the list and
 * that is not still being filled. */
function goOn(records = ends.takeRecords()) {
  if (records.length) nearEnd = records.at(-1).isIntersecting;
  if (nearEnd && !words && !stretch.trouble.older && list.length > 0 && stretch.behind === 0) stretch.older(false);
}
const ends = new IntersectionObserver(records => goOn(records), {rootMargin: "600px"});
ends.observe($("older"));
listenForKeys({
  j: () => step(1),
  k: () => step(-1),
  p: () => setPaused(!paused),
  n: toNewest,
  c: () => menuFor(document.activeElement?.closest("#items > li")),
  g: () => $("place").focus(),
  "/": () => $("words").focus(),
  "?": () => $("help").toggleAttribute("open"),
  Escape: escape,
}, $("shortcuts"));
setInterval(() => {
  show();
  letGo();
  goOn();
}, 500);

showState(state);
go(address);

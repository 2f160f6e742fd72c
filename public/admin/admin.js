// The admin page: wires what the other files have.
//
// Whatever comes from the server is put in as text (textContent), never as
// HTML: publishers are not trusted with the page.

import {Composer} from "./composer.js";
import {FeedList} from "./allfeeds.js";
import {Overview} from "./overview.js";
import {settingsIn} from "./config.js";
import {signedIn, signIn, signOut, takeTicket} from "./signin.js";
import {subscriberList} from "./subscribers.js";
import {make} from "../shared/text.js";

/** When a server that does not answer is asked again, and how long a message
 * stands, in ms. */
const AGAIN = 2000, MESSAGE = 8000;

const $ = id => document.getElementById(id);

let inside = false;
// The tabs of a browser have one session.
const tabs = new BroadcastChannel("feedd-session");

const overview = new Overview($("plots"), {
  words: $("state"), span: $("span"), totals: $("totals"), back: () => showSettings(),
  refused: async problem => {
    await failed(problem);
    if (!inside) return;
    if (problem.status === 401) overview.start(); // by the cookie of now
    else tell(`There are no figures. ${problem.title}.`, "bad");
  },
});
const feeds = new FeedList($("feeds"), {tell, failed, total: () => overview.newest.feeds});
const subscribers = subscriberList($("subscribers"), {tell, failed});
const showSettings = settingsIn($("settings"), {tell, failed, store: where => overview.store(where)});
new Composer($("publish"), {failed, published: () => feeds.refresh()});

/** Finds out whether this browser may come in, with the ticket if there is one. */
async function begin() {
  const ticket = takeTicket();
  let words = "";
  if (ticket) {
    try {
      await signIn({ticket});
    } catch (error) {
      words = `${error.message}.`;
    }
  }
  try {
    if (await signedIn()) enter();
    else leave(words);
  } catch (error) {
    leave(words || `${error.message}.`);
    setTimeout(begin, AGAIN);
  }
}

function enter() {
  $("signin").hidden = true;
  $("key").value = "";
  $("inside").hidden = false;
  if (inside) return;
  inside = true;
  overview.start();
  showSettings();
}

/** @param {string} words why */
function leave(words) {
  inside = false;
  overview.stop();
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  $("inside").hidden = true;
  const was = $("signin").hidden;
  $("signin").hidden = false;
  tellSignIn(words);
  if (was) $("key").focus();
}

function tellSignIn(words) {
  $("signin-problem").textContent = words;
  $("signin-problem").hidden = !words;
  $("key").toggleAttribute("aria-invalid", false);
}

/** An error of any part: a session that has ended ends all. But where another tab
 * signed in anew, a request may still have gone with the cookie of before.
 * @param {{status?: number}} error */
async function failed(error) {
  if (error.status !== 401 || !inside) return;
  try {
    if (await signedIn()) return;
  } catch {
    return; // what is asked next will tell
  }
  if (inside) leave("The session has ended. Sign in again.");
}

let timer;
/** Says what was done.
 * @param {string} text
 * @param {string} [how] good, busy or bad */
function tell(text, how = "good") {
  clearTimeout(timer);
  const close = make("button", "quiet", "Dismiss");
  close.type = "button";
  close.addEventListener("click", () => $("message").replaceChildren());
  $("message").replaceChildren(make("div", `notice bar apart ${how}`, make("span", "", text), close));
  if (how !== "bad") timer = setTimeout(() => $("message").replaceChildren(), MESSAGE);
}

// By hand: the page's policy lets no form be sent.
$("signin-form").addEventListener("submit", async event => {
  event.preventDefault();
  try {
    await signIn({key: $("key").value.trim()});
    enter();
    $("title").focus();
  } catch (error) {
    tellSignIn(`${error.message}.`);
    $("key").setAttribute("aria-invalid", "true");
    $("key").select();
  }
});
$("signout").addEventListener("click", async () => {
  inside = false; // what is refused meanwhile is no surprise
  try {
    await signOut();
    tabs.postMessage("out");
    location.reload(); // so that nothing of it stays
  } catch (error) {
    inside = true;
    tell(`You are not signed out. ${error.message}.`, "bad");
  }
});
tabs.addEventListener("message", () => inside && leave("The session has ended: you signed out in another tab."));
addEventListener("hashchange", () => {
  if (location.hash.startsWith("#ticket=")) begin();
});
addEventListener("pageshow", ({persisted}) => {
  if (persisted) begin();
});
begin();

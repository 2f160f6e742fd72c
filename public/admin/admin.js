// The admin page: wires the other files together.
//
// What comes from the server is put in as text (textContent), never as HTML,
// because publishers are not trusted with the page.

import {$, make, makeButton} from "../shared/dom.js";
import {problemIn, sentenceOf} from "../shared/http.js";
import {FeedList} from "./allfeeds.js";
import {Composer} from "./composer.js";
import {configIn} from "./config.js";
import {Overview} from "./overview.js";
import {signedIn, signIn, signOut, takeTicket} from "./signin.js";
import {subscriberList} from "./subscribers.js";

/** @typedef {import("../feed.js").Problem} Problem */

/** After how long a server that does not answer is asked again, in ms: a
 * restart takes less. */
const AGAIN = 2000;
/** How long a message stands, in ms: long enough to read two sentences. */
const MESSAGE = 8000;

let inside = false;
// The tabs of a browser have one session.
const tabs = new BroadcastChannel("feedd-session");

const overview = new Overview($("plots"), {
  words: $("state"), span: $("span", HTMLSelectElement), totals: $("totals"), back: () => showConfig(),
  refused: async problem => {
    await failed(problem);
    if (!inside) return;
    if (problem.status === 401) overview.start(); // with the present cookie
    else tell(`There are no figures. ${problem.title}.`, "bad");
  },
});
const feeds = new FeedList($("feeds"), {tell, failed, total: () => overview.newest.feeds});
const subscribers = subscriberList($("subscribers"), {tell, failed});
const showConfig = configIn($("settings"), {tell, failed, store: where => overview.store(where)});
new Composer({failed, published: () => feeds.refresh()});

/** Finds out whether this browser may come in, with the ticket if there is one. */
async function begin() {
  const ticket = takeTicket();
  let words = "";
  if (ticket) {
    try {
      await signIn({ticket});
    } catch (error) {
      words = sentenceOf(problemIn(error));
    }
  }
  try {
    if (await signedIn()) enter();
    else leave(words);
  } catch (error) {
    leave(words || sentenceOf(problemIn(error)));
    setTimeout(begin, AGAIN);
  }
}

function enter() {
  $("signin").hidden = true;
  $("key", HTMLInputElement).value = "";
  $("inside").hidden = false;
  if (inside) return;
  inside = true;
  overview.start();
  showConfig();
}

/** @param {string} words why */
function leave(words) {
  inside = false;
  overview.stop();
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
  $("inside").hidden = true;
  const was = $("signin").hidden;
  $("signin").hidden = false;
  tellSignIn(words);
  if (was) $("key").focus();
}

/** @param {string} words "" for none */
function tellSignIn(words) {
  $("signin-problem").textContent = words;
  $("signin-problem").hidden = !words;
  $("key").toggleAttribute("aria-invalid", false);
}

/** Takes a problem of any part. If the session has ended, all parts end. But if
 * another tab signed in anew, the request may have gone out with the old
 * cookie.
 * @param {Problem} problem */
async function failed(problem) {
  if (problem.status !== 401 || !inside) return;
  try {
    if (await signedIn()) return;
  } catch {
    return; // the next request will tell
  }
  if (inside) leave("The session has ended. Sign in again.");
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
/** Says what was done.
 * @param {string} text
 * @param {string} [how] good, busy or bad */
function tell(text, how = "good") {
  clearTimeout(timer);
  const close = makeButton("quiet", "Dismiss");
  close.addEventListener("click", () => $("message").replaceChildren());
  $("message").replaceChildren(make("div", `notice bar apart ${how}`, make("span", "", text), close));
  if (how !== "bad") timer = setTimeout(() => $("message").replaceChildren(), MESSAGE);
}

// The page's policy lets no form be sent, so this is not left to the browser.
$("signin-form").addEventListener("submit", async event => {
  event.preventDefault();
  try {
    await signIn({key: $("key", HTMLInputElement).value.trim()});
    enter();
    $("title").focus();
  } catch (error) {
    tellSignIn(sentenceOf(problemIn(error)));
    $("key").setAttribute("aria-invalid", "true");
    $("key", HTMLInputElement).select();
  }
});
$("signout").addEventListener("click", async () => {
  inside = false; // requests that are refused meanwhile say nothing new
  try {
    await signOut();
    tabs.postMessage("out");
    location.reload(); // so that nothing stays on the page
  } catch (error) {
    inside = true;
    tell(`You are not signed out. ${sentenceOf(problemIn(error))}`, "bad");
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

// The chat's page: what is said in the chat, and a box to say something.
//
// What comes from the server is put in as text, never as HTML, because guests
// are not trusted with the page.

import {$, one, setText} from "../shared/dom.js";
import {keep, recall} from "../shared/storage.js";
import {countdownOf, problemShown, shownAfter, wordsFor} from "../shared/words.js";
import {Log} from "./log.js";
import {LENGTH, nameOf} from "./messages.js";
import {Outbox} from "./outbox.js";
import {Room} from "./room.js";

/** @typedef {import("../feed.js").State} State
 * @typedef {import("../feed.js").Problem} Problem */

/** How many of the newest messages the page begins with: some three screens. */
const LAST = 50;
/** One message in PACE ms, and BURST at once: faster than people write, but
 * slow enough that others can read. */
const PACE = 500, BURST = 5;
/** About how often the server is asked who is here, in ms. A thousand pages ask
 * 50 times a second. */
const COUNTING = 20_000;
/** A page in the background asks this many times more rarely: people do not
 * look at it. */
const HIDDEN = 10;
/** How long the hint stands that messages are too many, or too fast, in ms:
 * long enough to read it. */
const TOO_MANY = 3_000, TOO_FAST = 2_000;
/** How often the countdown is shown, in ms: twice a second, so that no second
 * is skipped. */
const TICK = 500;
/** The code of keys that an input method takes (UI Events). */
const COMPOSING = 229;
/** Where the name is kept. */
const NAME = "feedd chat name";
const HINT = "Enter sends, Shift+Enter begins a new line.";

const room = new Room("/chat", LAST);
const log = new Log(LAST);
const outbox = new Outbox(room, log, () => mayPublish(false));
room.on("item", ({detail}) => {
  log.add(detail, outbox.came(detail));
  outbox.passed(detail.id);
});
room.on("gap", ({detail}) => {
  log.addGap(detail);
  outbox.passed(detail.through);
});
room.on("state", ({detail}) => showState(detail));

// The connection.

/** @type {State} */
let state = {is: "connecting"};

/** @param {State} next */
function showState(next) {
  const was = state.is;
  state = shownAfter(state, next);
  setText($("state"), state.is === "live" ? "live" : wordsFor(state)); // by whatever
  $("connection").dataset.is = state.is;
  $("connection").title = state.is === "live" && state.by !== "socket" ? "without WebSocket" : "";
  showCountdown();
  showProblem(problemShown(state));
  if (state.is !== "live") {
    setText($("here"), "");
    return;
  }
  outbox.passed(room.cursor);
  if (was !== "live") count();
}

function showCountdown() {
  setText($("countdown"), countdownOf(state));
}

/** @param {Problem | undefined} problem */
function showProblem(problem) {
  $("problem").hidden = !problem;
  if (!problem) return;
  const [title, detail, signIn] = $("problem").children;
  // The server's words for this are meant for people who write clients.
  const closed = problem.status === 401 || problem.status === 403;
  setText(title, closed ? "You may not read this chat" : [problem.status, problem.title].filter(Boolean).join(" "));
  setText(detail, closed ? "It is open only to those whom the server lets in." : problem.detail ?? "");
  signIn.toggleAttribute("hidden", !closed);
}

// Who is here, and whether one may speak.

/** @type {ReturnType<typeof setTimeout>} */
let counting;

/** Asks now, and again after a while, which differs from page to page. */
async function count() {
  clearTimeout(counting);
  counting = setTimeout(count, COUNTING * (document.hidden ? HIDDEN : 0.75 + Math.random() / 2));
  if (state.is !== "live") return;
  const about = await room.about().catch(() => undefined); // the page asks again later
  if (!about || room.state.is !== "live") return;
  setText($("here"), about.subscribers > 0 ? `${about.subscribers} here` : "");
  log.begin(about.head);
  one($("earlier"), "a", HTMLAnchorElement).href = `/feeds/${encodeURIComponent(about.feed)}`;
  mayPublish(about.may_publish);
}

let speaking = false;

/** @param {boolean} may */
function mayPublish(may) {
  $("closed").hidden = may;
  if (may === speaking) return;
  speaking = may;
  showForms();
  log.stay();
}

// The name.

let name = nameOf(String(recall("localStorage", NAME) ?? ""));
let naming = name === "";
// Three digits tell the guests of a room apart, mostly.
name ||= `guest ${100 + Math.floor(Math.random() * 900)}`;

function showForms() {
  $("naming").hidden = !speaking || !naming;
  $("composer").hidden = !speaking || naming;
  setText($("me"), name);
}

function endNaming() {
  naming = false;
  showForms();
  $("text").focus();
}

const nameField = $("name", HTMLInputElement);
nameField.value = name;
$("naming").addEventListener("submit", event => {
  event.preventDefault();
  name = nameOf(nameField.value) || name;
  keep("localStorage", NAME, name);
  endNaming();
});
nameField.addEventListener("keydown", event => {
  if (event.key === "Escape") endNaming();
});
$("rename").addEventListener("click", () => {
  naming = true;
  nameField.value = name;
  showForms();
  nameField.select();
});
// Another tab may have taken another name.
addEventListener("storage", event => {
  if (event.key !== NAME) return;
  name = nameOf(String(recall("localStorage", NAME) ?? "")) || name;
  showForms();
});

// The message.

const textField = $("text", HTMLTextAreaElement);

let tokens = BURST;
let counted = performance.now();

/** Takes one of the messages that may be sent now.
 * @returns {boolean} whether there was one */
function take() {
  const now = performance.now();
  tokens = Math.min(BURST, tokens + (now - counted) / PACE);
  counted = now;
  if (tokens < 1) return false;
  tokens--;
  return true;
}

/** @type {ReturnType<typeof setTimeout>} */
let hinting;

/** Says something about sending.
 * @param {string} text
 * @param {boolean} wrong it hinders sending
 * @param {number} [passes] after this many ms the hint is taken away */
function hint(text, wrong, passes) {
  clearTimeout(hinting);
  setText($("hint"), text);
  $("hint").classList.toggle("wrong", wrong);
  if (passes) hinting = setTimeout(hint, passes, HINT, false);
}

function checkLength() {
  const over = textField.value.length - LENGTH;
  textField.ariaInvalid = String(over > 0);
  if (over > 0) hint(`Too long by ${over === 1 ? "one character" : `${over} characters`}.`, true);
  else if ($("hint").textContent?.startsWith("Too long")) hint(HINT, false);
  return over <= 0;
}

function send() {
  const text = textField.value.replace(/^(\s*\n)+|\s+$/gu, "");
  if (!text.trim() || !checkLength()) return;
  if (outbox.full) {
    hint("Too many messages wait to be sent.", true, TOO_MANY);
    return;
  }
  if (!take()) {
    hint("Not so fast: two messages in a second. Yours is still here.", true, TOO_FAST);
    return;
  }
  outbox.add({name, text});
  textField.value = "";
  if ($("hint").classList.contains("wrong")) hint(HINT, false);
}

$("composer").addEventListener("submit", event => {
  event.preventDefault();
  send();
  textField.focus();
});
textField.addEventListener("keydown", event => {
  // Safari marks the Enter that ends a composition only by its code.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === COMPOSING) return;
  event.preventDefault();
  send();
});
textField.addEventListener("input", checkLength);

hint(HINT, false);
setInterval(showCountdown, TICK);
showState(state);

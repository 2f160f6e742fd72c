// The chat's page: what is said in the chat, and a box to say something.
//
// Whatever comes from the server is put in as text, never as HTML: guests are
// not trusted with the page.

import {Log} from "./log.js";
import {Outbox} from "./outbox.js";
import {Room} from "./room.js";
import {keep, recall} from "./storage.js";
import {nameOf} from "./messages.js";

/** How many of the newest messages the page begins with. */
const LAST = 50;
/** How long a message may be, in characters. */
const LENGTH = 4_000;
/** One message in so many ms, and so many at once. */
const PACE = 500, BURST = 5;
/** How often it is asked who is here, in ms. */
const COUNTING = 20_000;
/** Where the name is kept. */
const NAME = "feedd chat name";
const HINT = "Enter sends, Shift+Enter begins a new line.";

const $ = id => document.getElementById(id);

const room = new Room("/chat", LAST);
const log = new Log(LAST);
const outbox = new Outbox(room, log, () => mayPublish(false));
room.addEventListener("item", ({detail}) => {
  log.add(detail, outbox.came(detail));
  outbox.passed(detail.id);
});
room.addEventListener("gap", ({detail}) => log.addGap(detail));
room.addEventListener("position", ({detail}) => outbox.passed(detail));
room.addEventListener("state", ({detail}) => showState(detail));

// The connection.

let state = {is: "connecting"};

/** @param {import("../feed.js").State} next */
function showState(next) {
  const was = state.is;
  // The words of a wait stand through the attempt that ends it.
  const again = next.is === "connecting" && was === "waiting";
  state = again ? {...state, until: 0} : next;
  const restarting = state.reason === "draining";
  setText($("state"), {
    connecting: "connecting",
    live: "live",
    waiting: restarting ? "server is restarting" : "reconnecting",
    refused: "not connected",
  }[state.is]);
  $("connection").dataset.is = state.is;
  $("connection").title = state.is === "live" && state.by !== "socket" ? "without WebSocket" : "";
  showCountdown();
  showProblem(restarting ? undefined : state.problem);
  if (state.is !== "live") {
    setText($("here"), "");
    return;
  }
  outbox.passed(room.cursor);
  if (was !== "live") count();
}

/** Sets a text that is read aloud when it changes: only when it does. */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function showCountdown() {
  const seconds = state.until ? Math.ceil((state.until - Date.now()) / 1000) : 0;
  setText($("countdown"), seconds > 0 ? `${state.reason === "draining" ? ", trying again" : ""} in ${seconds} s` : "");
}

function showProblem(problem) {
  $("problem").hidden = !problem;
  if (!problem) return;
  const [title, detail, signIn] = $("problem").children;
  // The server's words for that are for who writes a client.
  const closed = problem.status === 401 || problem.status === 403;
  setText(title, closed ? "You may not read this chat" : [problem.status, problem.title].filter(Boolean).join(" "));
  setText(detail, closed ? "It is open only to those whom the server lets in." : problem.detail ?? "");
  signIn.hidden = !closed;
}

// Who is here, and whether one may speak.

let counting;

/** Asks now, and again after a while. A page that is not looked at asks less. */
async function count() {
  clearTimeout(counting);
  counting = setTimeout(count, COUNTING * (document.hidden ? 10 : 0.75 + Math.random() / 2));
  if (state.is !== "live") return;
  const {feed, head, subscribers, may_publish: may} = await room.about();
  if (!feed || state.is !== "live") return;
  setText($("here"), subscribers > 0 ? `${subscribers} here` : "");
  log.begin(head);
  $("earlier").firstElementChild.href = `/feeds/${encodeURIComponent(feed)}`;
  mayPublish(may);
}

let speaking = false;

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

$("name").value = name;
$("naming").addEventListener("submit", event => {
  event.preventDefault();
  name = nameOf($("name").value) || name;
  keep("localStorage", NAME, name);
  endNaming();
});
$("name").addEventListener("keydown", event => {
  if (event.key === "Escape") endNaming();
});
$("rename").addEventListener("click", () => {
  naming = true;
  $("name").value = name;
  showForms();
  $("name").select();
});
// Another tab may have taken another name.
addEventListener("storage", event => {
  if (event.key !== NAME) return;
  name = nameOf(String(recall("localStorage", NAME) ?? "")) || name;
  showForms();
});

// The message.

let tokens = BURST;
let counted = performance.now();

/** Takes one of the messages that may be sent now.
 * @returns {number} how long to wait for one, in ms; 0: it was taken */
function take() {
  const now = performance.now();
  tokens = Math.min(BURST, tokens + (now - counted) / PACE);
  counted = now;
  if (tokens < 1) return Math.ceil((1 - tokens) * PACE);
  tokens--;
  return 0;
}

let hinting;

/** Says what is wrong with sending, and, where that passes, when it has. */
function hint(text, wrong, passes) {
  clearTimeout(hinting);
  setText($("hint"), text);
  $("hint").classList.toggle("wrong", wrong);
  if (passes) hinting = setTimeout(hint, passes, HINT, false);
}

function checkLength() {
  const over = $("text").value.length - LENGTH;
  $("text").ariaInvalid = String(over > 0);
  if (over > 0) hint(`Too long by ${over === 1 ? "one character" : `${over} characters`}.`, true);
  else if ($("hint").textContent.startsWith("Too long")) hint(HINT, false);
  return over <= 0;
}

function send() {
  const text = $("text").value.replace(/^(\s*\n)+|\s+$/gu, "");
  if (!text.trim() || !checkLength()) return;
  if (outbox.full) {
    hint("Too many messages wait to be sent.", true, 3_000);
    return;
  }
  if (take() > 0) {
    hint("Not so fast: two messages in a second. Yours is still here.", true, 2_000);
    return;
  }
  outbox.add({name, text});
  $("text").value = "";
  if ($("hint").classList.contains("wrong")) hint(HINT, false);
}

$("composer").addEventListener("submit", event => {
  event.preventDefault();
  send();
  $("text").focus();
});
$("text").addEventListener("keydown", event => {
  // Safari tells of the Enter that ends a composition only by its code.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  send();
});
$("text").addEventListener("input", checkLength);

hint(HINT, false);
setInterval(showCountdown, 500);
showState(state);

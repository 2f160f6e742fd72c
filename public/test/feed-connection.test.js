import "./browser.js";

import assert from "node:assert/strict";
import {test} from "node:test";

import {Connection, IDLE, WITHOUT_PUSH} from "../feed-connection.js";
import {Refusal} from "../feed-pages.js";
import {fakeClock} from "./clock.js";
import {page, problem, serve} from "./server.js";

const url = new URL("http://feedd.test/feeds/main");

/** A push that a test drives, and a connection over it.
 * @param {import("node:test").TestContext} t
 * @param {(url: URL) => Response | Promise<Response>} answer to requests for pages */
function start(t, answer = () => page([])) {
  const clock = fakeClock(t);
  const asked = serve(t, answer);
  const stop = new AbortController();
  t.after(() => stop.abort());
  /** @type {string[]} */
  const heard = [];
  /** @type {{cursor: string, frame: (frame: object) => void, over: (end?: import("../feed.js").End) => void, closed: boolean}[]} */
  const opened = [];
  /** @type {import("../feed.js").Push} */
  const push = {
    by: "socket",
    open(_, cursor, {frame, over}) {
      const one = {cursor, frame: (/** @type {object} */ f) => frame(JSON.stringify(f)), over, closed: false};
      opened.push(one);
      return () => { one.closed = true; };
    },
    other: frame => frame.ref !== undefined,
  };
  const connection = new Connection(url, "5", stop.signal, ({after, cursor, items, gap}) => {
    heard.push(`${after}-${cursor}:${items.map(({id}) => id)}${gap ? ` gap ${gap.reason}` : ""}`);
  }, state => heard.push(state.is === "waiting" ? `waiting ${state.reason}`.trim() : state.is), push);
  let end = "";
  const run = connection.run().then(() => { end = "ended"; }, err => { end = err instanceof Refusal ? "refused" : String(err); });
  /** What was heard since it was last asked. */
  const news = () => heard.splice(0).join(", ");
  return {clock, asked, stop, opened, connection, news, run, ended: () => end, last: () => opened[opened.length - 1]};
}

test("what comes follows on the cursor", async t => {
  const c = start(t);
  await c.clock.settle();
  assert.equal(c.last().cursor, "5");
  c.last().frame({cursor: "5"});
  c.last().frame({id: "7", feed: "main", data: 1});
  c.last().frame({ref: "1", id: "99"}); // the push's own
  c.last().frame({unknown: true});
  c.last().frame({cursor: "9", gap: {reason: "purged"}});
  assert.equal(c.news(), "connecting, live, 5-5:, 5-7:7, 7-9: gap purged");
  assert.equal(c.connection.cursor, "9");
});

test("a closing says when to come back, and why until there is a connection", async t => {
  const c = start(t, () => { throw new TypeError("no connection"); });
  await c.clock.settle();
  c.last().frame({cursor: "5"});
  c.last().frame({closing: {cursor: "8", reason: "draining", retry: 2000}});
  c.last().over({reason: "not this", retry: 1});
  await c.clock.settle();
  assert.equal(c.news(), "connecting, live, 5-5:, 5-8:, waiting draining");
  await c.clock.pass(1999);
  assert.equal(c.opened.length, 1);
  await c.clock.pass(1);
  assert.equal(c.last().cursor, "8");
  c.last().over({problem: {title: "The proxy is busy"}});
  await c.clock.settle();
  assert.equal(c.news(), "waiting draining");
});

test("a close code's cursor counts only where it is ahead", async t => {
  const c = start(t);
  await c.clock.settle();
  c.last().over({reason: "draining", retry: 10, cursor: "7"});
  await c.clock.pass(10);
  assert.equal(c.last().cursor, "7");
  c.last().over({reason: "draining", retry: 10, cursor: "6"});
  await c.clock.pass(10);
  assert.equal(c.last().cursor, "7");
});

test("a push that is silent at first does not come through", async t => {
  const c = start(t, () => page([6]));
  await c.clock.pass(4999);
  assert.equal(c.asked.length, 0);
  await c.clock.pass(1);
  assert.equal(c.last().closed, true);
  await c.run;
  assert.equal(c.news(), "connecting, 5-6:6"); // what the question brought
  assert.equal(c.ended(), "ended");
});

test("a push that ends at once is tried twice while the server is there", async t => {
  const c = start(t);
  await c.clock.settle();
  c.last().over();
  await c.clock.settle();
  assert.equal(c.opened.length, 2);
  c.last().over();
  await c.run;
  assert.equal(c.asked.length, 2);
  assert.equal(c.ended(), "ended");
});

test("a server that is away is tried again, later and later", async t => {
  let away = true;
  const c = start(t, () => {
    if (away) throw new TypeError("no connection");
    return page([]);
  });
  await c.clock.settle();
  for (let i = 0; i < 6; i++) {
    const before = c.opened.length;
    const least = Math.min(1000 * 2 ** i, 30_000) / 2;
    c.last().over();
    await c.clock.settle();
    assert.ok(c.news().endsWith("waiting"));
    await c.clock.pass(least - 1);
    assert.equal(c.opened.length, before);
    while (c.opened.length === before) await c.clock.pass(500);
  }
  away = false;
  c.last().frame({cursor: "5"});
  assert.equal(c.news(), "live, 5-5:");
});

test("a refusal ends it", async t => {
  const c = start(t, () => problem(401, {type: "unauthorized", title: "Who is it?"}));
  await c.clock.settle();
  c.last().over();
  await c.run;
  assert.equal(c.ended(), "refused");
});

test("silence ends a connection, and patience grows with it and with heartbeats", async t => {
  const c = start(t);
  await c.clock.settle();
  c.last().frame({cursor: "5"});
  await c.clock.pass(IDLE - 1);
  assert.equal(c.last().closed, false);
  await c.clock.pass(1);
  assert.equal(c.last().closed, true);
  await c.clock.pass(2000); // the wait before the next
  c.last().frame({cursor: "5"});
  await c.clock.pass(2 * IDLE - 1); // twice as patient
  assert.equal(c.last().closed, false);
  c.last().frame({cursor: "5"}); // the heartbeat of a server that gives one each 70 s
  await c.clock.pass(2 * 2 * IDLE);
  assert.equal(c.last().closed, false);
  await c.clock.pass(IDLE);
  assert.equal(c.last().closed, true);
});

test("what is no frame ends it for a while", async t => {
  const c = start(t);
  await c.clock.settle();
  const close = c.last();
  close.frame({cursor: "5"});
  close.frame(/** @type {any} */ (null));
  await c.clock.settle();
  assert.equal(close.closed, true);
  await c.clock.pass(14_999);
  assert.equal(c.opened.length, 1);
  await c.clock.pass(30_001);
  assert.equal(c.opened.length, 2);
});

test("a push that something on the way ends, with its words, does not come through", async t => {
  let away = true;
  const c = start(t, () => {
    if (away) throw new TypeError("no connection");
    return page([]);
  });
  await c.clock.settle();
  c.last().over({problem: {title: "Not through this proxy"}});
  await c.clock.settle();
  assert.equal(c.news(), "connecting, waiting"); // the server does not answer either
  await c.clock.pass(1500);
  assert.equal(c.opened.length, 2);
  away = false;
  c.last().over({problem: {title: "Not through this proxy"}});
  await c.clock.settle();
  assert.equal(c.opened.length, 3);
  c.last().over({problem: {title: "Not through this proxy"}});
  await c.run;
  assert.equal(c.ended(), "ended");
});

test("a push may end while it is opened", async t => {
  const clock = fakeClock(t);
  serve(t, () => page([]));
  let closed = 0;
  /** @type {import("../feed.js").Push} */
  const push = {by: "socket", open: (_url, _cursor, {over}) => {
    over();
    return () => { closed++; };
  }};
  const run = new Connection(url, "5", new AbortController().signal, () => {}, () => {}, push).run();
  await clock.settle();
  await run;
  assert.equal(closed, 2);
});

test("a push that brings something while it is opened may be the end of the feed", async t => {
  const clock = fakeClock(t);
  const stop = new AbortController();
  let closed = 0;
  /** @type {import("../feed.js").Push} */
  const push = {by: "socket", open: (_url, cursor, {frame}) => {
    frame(JSON.stringify({cursor}));
    return () => { closed++; };
  }};
  const run = new Connection(url, "5", stop.signal, () => {}, ({is}) => is === "live" && stop.abort(), push).run();
  await clock.settle();
  await run;
  assert.equal(closed, 1);
});

test("another URL is gone to from the same cursor", async t => {
  const c = start(t);
  await c.clock.settle();
  c.last().frame({id: "7", feed: "main", data: 1});
  c.connection.aim(new URL("http://feedd.test/feeds/a,b"));
  await c.clock.settle();
  assert.deepEqual(c.opened.map(({closed}) => closed), [true, false]);
  assert.equal(c.last().cursor, "7");
  c.opened[0].over(); // of the old one nothing counts any more
  c.opened[0].frame({id: "8", feed: "main", data: 1});
  assert.equal(c.connection.cursor, "7");
});

test("without a push it polls, and where there is an EventSource tries that again", async t => {
  const clock = fakeClock(t);
  /** @type {import("../feed.js").State[]} */
  const states = [];
  /** @type {{onmessage?: (message: {data: string}) => void, onerror?: () => void}[]} */
  const sources = [];
  Object.assign(globalThis, {EventSource: class {
    constructor() { sources.push(/** @type {object} */ (this)); }
    close() {}
  }});
  t.after(() => { Reflect.deleteProperty(globalThis, "EventSource"); });
  const asked = serve(t, asked => asked.searchParams.has("wait") ? new Promise(resolve => setTimeout(resolve, 25_000, page([]))) : page([]));
  const stop = new AbortController();
  const run = new Connection(url, "5", stop.signal, () => {}, state => states.push(state)).run();
  await clock.pass(5_000); // no event comes
  await clock.pass(60_000);
  assert.deepEqual(states.at(-1), {is: "live", by: "polling"});
  assert.ok(asked.filter(url => url.searchParams.get("wait") === "25s").length >= 2);
  assert.equal(sources.length, 1);
  await clock.pass(WITHOUT_PUSH - 70_000);
  assert.equal(sources.length, 1);
  while (sources.length === 1) await clock.pass(1_000);
  sources[1].onmessage?.({data: '{"cursor":"5"}'});
  assert.deepEqual(states.at(-1), {is: "live", by: "stream"});
  stop.abort();
  await run;
});

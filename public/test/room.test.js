import "./browser.js";

import assert from "node:assert/strict";
import {test} from "node:test";

import {Room} from "../chat/room.js";
import {fakeClock} from "./clock.js";
import {page, problem, serve} from "./server.js";

/** A chat in which a test plays the server.
 * @param {import("node:test").TestContext} t
 * @param {{webSocket?: boolean, post?: (key: string) => Response | Promise<Response>}} [how] */
async function start(t, {webSocket = true, post = () => Response.json({id: "9"})} = {}) {
  const clock = fakeClock(t);
  /** @type {any[]} */
  const sockets = [];
  class FakeSocket {
    static OPEN = 1;
    readyState = 1;
    /** @type {any[]} */
    sent = [];
    /** @param {URL} url */
    constructor(url) {
      this.url = String(url);
      sockets.push(this);
    }
    /** @param {string} text */
    send(text) {
      this.sent.push(JSON.parse(text));
    }
    close() {
      this.readyState = 3;
    }
  }
  Object.assign(globalThis, {WebSocket: webSocket ? FakeSocket : undefined});
  const server = {away: false, closed: false};
  /** @type {(() => void)[]} */
  const polls = [];
  serve(t, (url, init) => {
    if (server.away) throw new TypeError("no connection");
    if (init.method === "POST") return post(new Headers(init.headers).get("Idempotency-Key") ?? "");
    if (url.pathname === "/chat") return Response.json({feed: "chat", subscribers: 1, may_publish: true, head: "5"});
    if (server.closed) return problem(401, {type: "unauthorized", title: "Who is it?"});
    if (url.searchParams.has("wait")) return new Promise(resolve => polls.push(() => resolve(page([], {cursor: 5}))));
    return page([], {cursor: 5});
  });
  const room = new Room("/chat", 50);
  await clock.settle();
  const last = () => sockets[sockets.length - 1];
  const hear = (/** @type {object} */ frame) => last().onmessage({data: JSON.stringify(frame)});
  const cut = (code = 1006, reason = "") => last().onclose({code, reason});
  const answerPolls = () => { for (const answer of polls.splice(0)) answer(); };
  return {clock, room, sockets, last, hear, cut, server, answerPolls};
}

test("what is said goes by the socket, once, and its answer is told", async t => {
  const c = await start(t);
  assert.equal(c.last().url, "ws://feedd.test/chat?last_event_id=5");
  const early = c.room.say("k1", {text: "early"}); // before it is live
  assert.deepEqual(c.last().sent, []);
  c.hear({cursor: "5"});
  c.hear({cursor: "5"});
  assert.deepEqual(c.last().sent, [{ref: "k1", key: "k1", event: "broadcast", data: {text: "early"}}]);
  const no = c.room.say("k2", {text: "no"});
  c.hear({ref: "k1", id: "6"});
  c.hear({ref: "k2", error: {status: 429, type: "too-fast", title: "Too fast"}});
  assert.deepEqual(await early, {id: "6"});
  assert.equal((await no).problem?.type, "too-fast");
});

test("what is unanswered is sent again with its key, by the next socket", async t => {
  const c = await start(t);
  c.hear({cursor: "5"});
  const said = c.room.say("k1", {text: "x"});
  c.hear({ref: "k1", error: {type: "draining", title: "Going down"}}); // no answer yet
  c.hear({closing: {reason: "draining", cursor: "5", retry: 1000}});
  c.cut(1012);
  await c.clock.pass(1000);
  assert.equal(c.sockets.length, 2);
  assert.deepEqual(c.last().sent, []);
  c.hear({cursor: "5"});
  assert.deepEqual(c.last().sent.map((/** @type {any} */ f) => f.key), ["k1"]);
  c.cut();
  await c.clock.pass(1500);
  c.hear({cursor: "5"});
  assert.deepEqual(c.last().sent.map((/** @type {any} */ f) => f.key), ["k1"]);
  c.hear({ref: "k1", id: "6"});
  assert.deepEqual(await said, {id: "6"});
});

test("of frames without an answer the first was too large", async t => {
  const c = await start(t);
  c.hear({cursor: "5"});
  const large = c.room.say("k1", {text: "xxx"});
  c.room.say("k2", {text: "x"});
  c.cut(1009);
  assert.equal((await large).problem?.status, 413);
  await c.clock.pass(1500);
  c.hear({cursor: "5"});
  assert.deepEqual(c.last().sent.map((/** @type {any} */ f) => f.key), ["k2"]);
});

test("without WebSocket it posts, until there is an answer", async t => {
  /** @type {string[]} */
  const keys = [];
  const answers = [
    () => { throw new TypeError("the connection broke"); },
    () => problem(503, {type: "draining", title: "Going down"}),
    () => new Response("", {status: 502, headers: {"Retry-After": "300"}}), // a proxy's: the person is not kept waiting for it
    () => Response.json({id: "6"}),
    () => problem(429, {type: "too-fast", title: "Too fast"}),
    () => problem(507, {type: "store-full", title: "Full"}),
  ];
  const c = await start(t, {webSocket: false, post: key => {
    keys.push(key);
    return /** @type {() => Response} */ (answers.shift())();
  }});
  const said = ["k1", "k2", "k3"].map(key => c.room.say(key, {text: key}));
  await c.clock.pass(60_000);
  const [first, second, third] = await Promise.all(said);
  assert.deepEqual(keys, ["k1", "k1", "k1", "k1", "k2", "k3"]);
  assert.deepEqual([first.id, second.problem?.type, third.problem?.type], ["6", "too-fast", "store-full"]);
});

test("where no socket comes through, what was said by it is posted", async t => {
  const c = await start(t);
  const said = c.room.say("k1", {text: "x"});
  await c.clock.pass(6_000); // it says nothing
  assert.deepEqual(await said, {id: "9"});
});

test("a socket that something on the way closes, with its words, does not come through", async t => {
  const c = await start(t);
  const said = c.room.say("k1", {text: "x"});
  c.cut(1008, "not through this proxy");
  await c.clock.settle();
  assert.equal(c.sockets.length, 2);
  c.cut(1008, "not through this proxy");
  await c.clock.settle();
  assert.deepEqual(await said, {id: "9"});
});

test("what is told to be refused is not posted any more", async t => {
  let posts = 0;
  const c = await start(t, {webSocket: false, post: () => {
    posts++;
    return new Response("", {status: 502});
  }});
  const said = c.room.say("k1", {text: "x"});
  await c.clock.pass(10_000);
  assert.ok(posts > 1);
  c.server.closed = true; // to readers
  c.answerPolls();
  await c.clock.settle();
  assert.equal((await said).problem?.status, 401);
  const before = posts;
  await c.clock.pass(120_000);
  assert.equal(posts, before);
});

test("a server that is away is told of, and come back to", async t => {
  const c = await start(t);
  c.hear({cursor: "5"});
  c.server.away = true;
  c.cut();
  await c.clock.settle();
  assert.equal(c.room.state.is, "waiting");
  await c.clock.pass(1500);
  c.cut();
  await c.clock.settle();
  assert.equal(c.room.state.is, "waiting");
  c.server.away = false;
  await c.clock.pass(5000);
  c.hear({cursor: "5"});
  assert.deepEqual(c.room.state, {is: "live", by: "socket"});
});

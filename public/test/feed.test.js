import "./browser.js";

import assert from "node:assert/strict";
import {test} from "node:test";

import {WITHOUT_PUSH} from "../feed-connection.js";
import {Feed, Refusal} from "../feed.js";
import {fakeClock} from "./clock.js";
import {page, problem, serve} from "./server.js";

/** A server with items 1 to newest, which answers pages; long polls wait 25 s.
 * @param {import("node:test").TestContext} t
 * @param {{newest: number}} feed */
function keep(t, feed) {
  return serve(t, url => {
    const after = url.searchParams.get("since") === "now" ? feed.newest
      : url.searchParams.has("last") ? Math.max(feed.newest - Number(url.searchParams.get("last")), 0)
      : Number(url.searchParams.get("last_event_id") ?? 0);
    const limit = Number(url.searchParams.get("limit"));
    const answer = () => {
      const ids = Array.from({length: Math.min(feed.newest - after, limit)}, (_, i) => after + i + 1);
      return page(ids, {cursor: ids.at(-1) ?? after, more: feed.newest > after + limit});
    };
    return url.searchParams.has("wait") && feed.newest === after ? new Promise(resolve => setTimeout(() => resolve(answer()), 25_000)) : answer();
  });
}

/** @param {import("node:test").TestContext} t
 * @param {Feed} feed */
function listen(t, feed) {
  /** @type {string[]} */
  const ids = [];
  /** @type {string[]} */
  const states = [];
  feed.addEventListener("item", ({detail}) => ids.push(detail.id));
  feed.addEventListener("state", ({detail}) => states.push(detail.is === "live" ? detail.by : detail.is));
  t.after(() => feed.close());
  return {ids, states};
}

/** @param {number} to */
const upTo = to => Array.from({length: to}, (_, i) => String(i + 1));

test("a Feed begins where it is told, in this order", async t => {
  const clock = fakeClock(t);
  const asked = keep(t, {newest: 5});
  for (const [address, options, want] of /** @type {[string, any, string][]} */ ([
    ["/feeds/a", {}, "since=now&limit=1000"],
    ["/feeds/a", {last: 20}, "last=20&limit=1000"],
    ["/feeds/a", {last: 5000}, "last=1000&limit=1000"],
    ["/feeds/a", {last: 0}, "last=0&limit=1000"],
    ["/feeds/a", {last: 20, since: "10m"}, "since=10m&limit=1000"],
    ["/feeds/a", {last: 20, since: 0, lastEventId: ""}, "since=0&limit=1000"],
    ["/feeds/a", {since: "10m", lastEventId: "3"}, "last_event_id=3&limit=1000"],
    ["/feeds/a", {lastEventId: 0}, "last_event_id=0&limit=1000"],
    ["/feeds/a?last=7&event=goal", {}, "event=goal&last=7&limit=1000"],
    ["/feeds/a?since=1h&last-event-id=4&last_event_id=2", {event: ["x", "y"]}, "event=x%2Cy&last_event_id=4&limit=1000"],
    ["/feeds/a?last=7", {last: 8, event: []}, "last=8&limit=1000"],
  ])) {
    asked.length = 0;
    const feed = new Feed(address, options);
    await clock.settle();
    feed.close();
    assert.equal(asked[0].search.slice(1), want, `${address} ${JSON.stringify(options)}`);
  }
});

test("every item comes once and in order, over pages, polls and a push that comes and goes", async t => {
  const clock = fakeClock(t);
  const server = {newest: 2500};
  keep(t, server);
  let comesThrough = false;
  /** @type {{cursor: string, to: import("../feed.js").PushTo} | undefined} */
  let open;
  const feed = new Feed("/feeds/a", {since: "all", push: {
    by: "socket",
    open(_, cursor, to) {
      if (comesThrough) {
        open = {cursor, to};
        to.frame(JSON.stringify({cursor}));
      }
      return () => { open = undefined; };
    },
  }});
  const {ids, states} = listen(t, feed);
  await clock.pass(4_000);
  assert.deepEqual(ids, upTo(2500));
  await clock.pass(1_000); // the push brought nothing
  server.newest = 2600;
  await clock.pass(30_000);
  assert.deepEqual(ids, upTo(2600));
  assert.equal(states.at(-1), "polling");
  comesThrough = true;
  await clock.pass(WITHOUT_PUSH);
  assert.equal(states.at(-1), "socket");
  assert.equal(open?.cursor, "2600");
  for (const id of ["2601", "2602"]) open?.to.frame(JSON.stringify({id, feed: "a", time: "", data: 1}));
  server.newest = 2603;
  // What is lost depends on the reader, so it asks.
  open?.to.frame(JSON.stringify({cursor: "2603", gap: {after: "2602", through: "2603", reason: "purged", feeds: ["a"]}}));
  await clock.settle();
  assert.deepEqual(ids, upTo(2603));
  assert.equal(feed.lastEventId, "2603");
});

test("a refusal ends it, for listeners and iterators", async t => {
  const clock = fakeClock(t);
  serve(t, () => problem(403, {type: "forbidden", title: "Not for you"}));
  const feed = new Feed("/feeds/a", {last: 1});
  const {states} = listen(t, feed);
  const next = feed[Symbol.asyncIterator]().next();
  await assert.rejects(next, Refusal);
  await clock.settle();
  assert.deepEqual(states, ["refused"]);
  await assert.rejects(feed[Symbol.asyncIterator]().next(), /403: Not for you/);
});

test("an iterator that does not keep up stops the reading, until it took all or was left", async t => {
  const clock = fakeClock(t);
  const server = {newest: 0};
  keep(t, server);
  const feed = new Feed("/feeds/a", {since: "all"});
  const {ids} = listen(t, feed);
  const slow = feed[Symbol.asyncIterator]();
  await clock.settle();
  server.newest = 3000;
  await clock.pass(120_000);
  assert.equal(ids.length, 1000);
  for (let i = 1; i <= 1000; i++) assert.equal(/** @type {any} */ ((await slow.next()).value).id, String(i));
  await clock.pass(60_000);
  assert.equal(ids.length, 2000);
  await slow.return?.();
  await clock.pass(60_000);
  assert.deepEqual(ids, upTo(3000));
});

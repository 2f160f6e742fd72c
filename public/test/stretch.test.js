import "./browser.js";

import assert from "node:assert/strict";
import {test} from "node:test";

import {Stretch} from "../reader/stretch.js";
import {page, problem, serve} from "./server.js";

/** @typedef {import("../reader/list.js").Entry} Entry */

/** A list in the place of that of rows: the newest entry first. */
class FakeList {
  /** @type {Entry[]} */
  rows = [];

  get length() {
    return this.rows.length;
  }

  clear() {
    this.rows = [];
  }

  /** @param {Entry[]} entries */
  addNewer(entries) {
    this.rows.unshift(...[...entries].reverse());
  }

  /** @param {Entry[]} entries */
  addOlder(entries) {
    this.rows.push(...[...entries].reverse());
  }

  /** @param {number} most */
  dropOldest(most) {
    this.rows = this.rows.slice(0, most);
    return this.rows.findLast(({item}) => item)?.item?.id;
  }

  /** @param {number} most */
  dropNewest(most) {
    this.rows = this.rows.slice(-most);
    while (this.rows[0]?.gap) this.rows.shift();
    return this.rows[0]?.item?.id;
  }

  filter() {}

  /** @param {() => void} change */
  inPlace(change) {
    change();
  }

  /** The ids, the oldest first; a gap is "gap". */
  get ids() {
    return this.rows.map(({item}) => item?.id ?? "gap").reverse();
  }
}

/** A feed of items 1 to newest, of which the server keeps those from oldest on,
 * and a stretch of it on a page that a test holds.
 * @param {import("node:test").TestContext} t
 * @param {number} newest */
function start(t, newest) {
  const feed = {newest, oldest: 1, gap: /** @type {object | undefined} */ (undefined)};
  const hooks = {held: false, scrolled: false, words: ""};
  const asked = serve(t, url => {
    const ask = (/** @type {string} */ name) => Number(url.searchParams.get(name));
    const limit = ask("limit");
    if (url.searchParams.has("before")) {
      const end = Math.min(ask("before") - 1, feed.newest);
      const begin = Math.max(end - limit + 1, feed.oldest);
      return page(range(begin, end), {more: begin > feed.oldest});
    }
    const all = url.searchParams.get("since") === "all";
    const begin = Math.max(ask("last_event_id") + 1, feed.oldest);
    const gap = !all && begin > ask("last_event_id") + 1 ? {after: url.searchParams.get("last_event_id"), through: String(begin - 1), reason: "trimmed", feeds: ["main"]} : undefined;
    const end = Math.min(begin + limit - 1, feed.newest);
    return page(range(begin, end), {cursor: end, more: end < feed.newest, gap});
  });
  const list = new FakeList();
  const stretch = new Stretch(/** @type {any} */ (list), {
    held: () => hooks.held, scrolled: () => hooks.scrolled, followed: () => true,
    matches: ({id}) => id.includes(hooks.words), changed() {},
  });
  stretch.begin({selector: "main", events: "", at: ""});
  /** What the connection brings. */
  const come = (/** @type {number} */ from, /** @type {number} */ to) => {
    feed.newest = Math.max(feed.newest, to);
    for (const id of range(from, to)) stretch.came({item: /** @type {any} */ ({id: String(id), feed: "main", time: "", data: id})});
  };
  return {feed, hooks, asked, list, stretch, come};
}

/** @param {number} from
 * @param {number} to */
const range = (from, to) => Array.from({length: Math.max(to - from + 1, 0)}, (_, i) => from + i);
/** @param {number} from
 * @param {number} to */
const ids = (from, to) => range(from, to).map(String);
/** Frames, until all rows are made. @param {Stretch} stretch */
const rendered = async stretch => {
  do await new Promise(resolve => setTimeout(resolve, 2)); while (stretch.behind);
};

test("what comes goes on top, once and in order", async t => {
  const {list, stretch, come} = start(t, 0);
  come(1, 40);
  come(30, 60); // told again
  await rendered(stretch);
  assert.deepEqual(list.ids, ids(1, 60));
  assert.ok(stretch.attached);
});

test("what comes to a held page is counted, and asked for later, without holes", async t => {
  const {hooks, list, stretch, come} = start(t, 0);
  come(1, 10);
  await rendered(stretch);
  hooks.held = true;
  come(11, 90);
  await rendered(stretch);
  assert.deepEqual(list.ids, ids(1, 10));
  assert.equal(stretch.waiting.count, 80);
  hooks.held = false;
  assert.equal(await stretch.newer(), false); // one page of 50
  await rendered(stretch);
  assert.deepEqual([list.ids, stretch.waiting.count], [ids(1, 60), 30]);
  assert.equal(await stretch.newer(), true);
  await rendered(stretch);
  assert.deepEqual([list.ids, stretch.waiting.count, stretch.attached], [ids(1, 90), 0, true]);
  come(91, 92);
  await rendered(stretch);
  assert.deepEqual(list.ids, ids(1, 92));
});

test("what comes while newer ones are asked for has its place", async t => {
  const {hooks, list, stretch, come} = start(t, 0);
  come(1, 10);
  await rendered(stretch);
  hooks.held = true;
  come(11, 20);
  const asking = stretch.newer();
  come(21, 30); // some are in the answer too
  assert.equal(await asking, true);
  await rendered(stretch);
  assert.deepEqual(list.ids, ids(1, 30));
});

test("what retention took meanwhile is a gap in its place", async t => {
  const {feed, hooks, list, stretch, come} = start(t, 0);
  come(1, 10);
  await rendered(stretch);
  hooks.held = true;
  come(11, 30);
  feed.oldest = 21;
  assert.equal(await stretch.newer(), true);
  await rendered(stretch);
  assert.deepEqual(list.ids, [...ids(1, 10), "gap", ...ids(21, 30)]);
  // The connection tells the same loss again.
  stretch.came({gap: {after: "10", through: "20", reason: "trimmed", feeds: ["main"]}});
  await rendered(stretch);
  assert.equal(list.ids.filter(id => id === "gap").length, 1);
});

test("older ones are asked for page by page, and the newest rows dropped for them", async t => {
  const {hooks, list, stretch, come} = start(t, 700);
  come(681, 700);
  await rendered(stretch);
  hooks.scrolled = true;
  while (!stretch.ended) {
    await stretch.older(false);
    assert.deepEqual(list.ids, ids(Number(list.ids[0]), Number(list.ids.at(-1))), "there is a hole");
    assert.ok(list.length <= 500);
  }
  assert.deepEqual([list.ids, stretch.attached, stretch.apart], [ids(1, 500), false, true]);
  // Upwards again, to the newest.
  hooks.scrolled = false;
  while (!await stretch.newer()) await rendered(stretch);
  await rendered(stretch);
  assert.deepEqual([list.ids, stretch.attached, stretch.ended], [ids(201, 700), true, false]);
});

test("a place is read from both sides", async t => {
  const {list, stretch, feed} = start(t, 100);
  assert.equal(await stretch.around("60"), undefined);
  assert.deepEqual([list.ids, stretch.attached, stretch.ended], [ids(36, 85), false, false]);
  stretch.begin({selector: "main", events: "", at: ""});
  assert.equal(await stretch.around("90"), "100");
  assert.deepEqual([list.ids, stretch.attached], [ids(66, 100), true]);
  feed.oldest = 50;
  stretch.begin({selector: "main", events: "", at: ""});
  await stretch.around("10"); // there is nothing so old any more
  assert.deepEqual(list.ids, ids(50, 74));
});

test("what waits is counted anew for another filter", async t => {
  const {hooks, stretch, come} = start(t, 0);
  come(1, 10);
  await rendered(stretch);
  hooks.held = true;
  come(11, 120);
  hooks.words = "7";
  const counting = stretch.recount();
  come(121, 137); // 127 and 137 meanwhile
  await counting;
  assert.equal(stretch.waiting.count, ids(11, 137).filter(id => id.includes("7")).length);
  assert.equal(stretch.waiting.least, false);
  hooks.words = "";
  await stretch.recount();
  assert.equal(stretch.waiting.count, 127);
  come(138, 11_000);
  await stretch.recount();
  assert.deepEqual([stretch.waiting.count, stretch.waiting.least], [10_001, true]); // ten pages behind the first
});

test("a page in the background keeps the newest", async t => {
  const {list, stretch, come} = start(t, 0);
  come(1, 3000);
  await rendered(stretch);
  assert.deepEqual(list.ids, ids(2501, 3000));
  assert.equal(stretch.bottom, "2501");
  assert.equal(stretch.ended, false);
});

test("what cannot be read is said, and nothing is lost by it", async t => {
  const {hooks, list, stretch, come} = start(t, 0);
  come(51, 60);
  await rendered(stretch);
  hooks.held = true;
  come(61, 70);
  const real = globalThis.fetch;
  serve(t, () => problem(503, {type: "unavailable", title: "Not now", detail: "it is late"}));
  assert.equal(await stretch.newer(), false);
  await stretch.older(false);
  assert.deepEqual(stretch.trouble, {newer: "Newer items cannot be read: Not now: it is late.", older: "Older items cannot be read: Not now: it is late."});
  globalThis.fetch = real;
  assert.equal(await stretch.newer(), true);
  await stretch.older(false);
  await rendered(stretch);
  assert.deepEqual([list.ids, stretch.trouble], [ids(1, 70), {newer: "", older: ""}]);
});

test("the answer for an address before is for nobody", async t => {
  const {hooks, list, stretch, come} = start(t, 0);
  come(1, 10);
  await rendered(stretch);
  hooks.held = true;
  come(11, 20);
  const asking = stretch.newer();
  stretch.begin({selector: "other", events: "", at: ""});
  hooks.held = false;
  assert.equal(await asking, false);
  come(100, 101);
  await rendered(stretch);
  assert.deepEqual(list.ids, ids(100, 101));
});

import "./browser.js";

import assert from "node:assert/strict";
import {test} from "node:test";

import {fakeClock} from "./clock.js";
import {page, serve} from "./server.js";

test("a Feed with a push that is closed asks for no connection of the tabs, and keeps nothing", async t => {
  /** @type {string[]} */
  const did = [];
  Object.defineProperty(globalThis, "navigator", {configurable: true, value: {locks: {
    request: (/** @type {string} */ name) => {
      did.push(`lock ${name}`);
      return new Promise(() => {});
    },
  }}});
  Object.assign(globalThis, {BroadcastChannel: class {
    /** @param {string} name */
    constructor(name) { did.push(`channel ${name}`); }
    postMessage() {}
    close() {}
  }});
  Object.assign(document, {addEventListener() {}});
  const {Feed} = await import("../feed.js"); // it looks whether tabs can share
  const clock = fakeClock(t);
  serve(t, () => page([], {cursor: 5}));
  const feed = new Feed("/feeds/a", {push: {by: "socket", open: (_, cursor, {frame}) => {
    did.push("open");
    frame(JSON.stringify({cursor}));
    return () => did.push("closed");
  }}});
  await clock.settle();
  assert.deepEqual(feed.state, {is: "live", by: "socket"});
  feed.close();
  await clock.pass(60_000);
  assert.deepEqual(did, ["open", "closed"]);
});

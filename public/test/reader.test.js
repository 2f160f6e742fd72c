import "./browser.js";

import assert from "node:assert/strict";
import {test} from "node:test";

import {placeOf} from "../reader/when.js";
import {detailsFor, newItems, problemShown, shownAfter, wordsFor} from "../shared/words.js";

test("a place is taken as people write it", () => {
  const now = new Date(2026, 10, 22, 15, 0, 0);
  const local = (/** @type {[number, number, number, ...number[]]} */ ...args) => new Date(...args).toISOString();
  const ago = (/** @type {number} */ ms) => new Date(now.valueOf() - ms).toISOString();
  for (const [text, want] of /** @type {[string, string | undefined][]} */ ([
    ["1763792000000001", "1763792000000001"],
    ["14:30", local(2026, 10, 22, 14, 30)], ["15:30", local(2026, 10, 21, 15, 30)], ["9:05:07", local(2026, 10, 22, 9, 5, 7)],
    ["2:30 pm", local(2026, 10, 22, 14, 30)], ["2PM", local(2026, 10, 22, 14)], ["12 am", local(2026, 10, 22)],
    ["yesterday 14:30", local(2026, 10, 21, 14, 30)], ["Yesterday", local(2026, 10, 21)], ["today, 8:00", local(2026, 10, 22, 8)],
    ["2026-11-20", local(2026, 10, 20)], ["2026-11-20 14:30", local(2026, 10, 20, 14, 30)], ["2026-11-20T14:30:01", local(2026, 10, 20, 14, 30, 1)],
    ["20.11.2026 14:30", local(2026, 10, 20, 14, 30)], ["20.11. 14:30", local(2026, 10, 20, 14, 30)],
    ["2026-11-20T14:30:01.5Z", "2026-11-20T14:30:01.500Z"], ["2026-11-20 14:30:01+02:00", "2026-11-20T12:30:01.000Z"],
    ["10m", ago(600_000)], ["2 hours ago", ago(7_200_000)], ["3d", ago(3 * 86_400_000)], ["45 s", ago(45_000)],
    ["", undefined], ["14", undefined], ["25:00", undefined], ["14:60", undefined], ["13 pm", undefined], ["31.2.2026", undefined],
    ["11/12/2026", undefined], ["soon", undefined], ["2026-13-01", undefined], ["nonsense 14:30", undefined],
  ])) {
    assert.equal(placeOf(text, now), want, text);
  }
});

test("a state is said in words that stand while nothing changes", () => {
  const until = Date.now() + 4500;
  /** @type {import("../feed.js").State} */
  const waiting = {is: "waiting", until, reason: "", problem: {title: "No"}};
  assert.equal(wordsFor(waiting), "reconnecting");
  assert.equal(wordsFor({is: "waiting", until, reason: "draining"}), "server is restarting");
  assert.equal(wordsFor({is: "live", by: "stream"}), "live");
  assert.equal(wordsFor({is: "live", by: "polling"}), "polling");
  assert.deepEqual(shownAfter(waiting, {is: "connecting"}), {...waiting, until: 0});
  assert.deepEqual(shownAfter(waiting, {is: "live", by: "stream"}), {is: "live", by: "stream"});
  assert.deepEqual(shownAfter({is: "live", by: "stream"}, {is: "connecting"}), {is: "live", by: "stream"});
  assert.deepEqual(shownAfter({is: "refused", problem: {title: "No"}}, {is: "connecting"}), {is: "connecting"});
  assert.deepEqual(problemShown(waiting), {title: "No"});
  assert.equal(problemShown({...waiting, reason: "draining"}), undefined);
  const page = {paused: true, waiting: 1234, least: true, behind: 0};
  assert.equal(detailsFor(waiting, page), " in 5 s, paused, behind by 1,234 or more");
  assert.equal(detailsFor({is: "waiting", until, reason: "draining"}, {...page, paused: false, waiting: 0, behind: 100}), ", trying again in 5 s");
  assert.equal(detailsFor({is: "live", by: "stream"}, {...page, paused: false, waiting: 0, behind: 101}), ", behind by 101");
  assert.deepEqual([newItems(1), newItems(2), newItems(10_001, true)], ["1 new item", "2 new items", "10,001 or more new items"]);
});

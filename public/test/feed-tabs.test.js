import assert from "node:assert/strict";
import {test} from "node:test";

import {covers, matcher, unionOf, wantOf} from "../feed-tabs.js";

/** @param {string} feed
 * @param {string} [event]
 * @returns {any} */
const item = (feed, event) => ({id: "1", feed, event});

test("a pattern matches whole tokens, and no names of feedd's own", () => {
  for (const [term, feed, want] of /** @type {[string, string, boolean][]} */ ([
    ["news", "news", true], ["news", "news.local", false], ["news", "xnews", false],
    ["sports.*", "sports.football", true], ["sports.*", "sports", false], ["sports.*", "sports.football.nl", false],
    ["*.local", "news.local", true], ["*.local", "local", false],
    ["sports.**", "sports.football.nl", true], ["sports.**", "sports", false], ["**", "anything.at.all", true],
    ["**", "_stats", false], ["*", "_stats", false], ["_stats", "_stats", true],
    ["a.c", "abc", false],
  ])) {
    assert.equal(matcher({terms: [term], event: ""})(item(feed)), want, `${term} and ${feed}`);
  }
});

test("a list matches what any of its terms does", () => {
  const matches = matcher({terms: ["a", "b.*"], event: ""});
  assert.deepEqual(["a", "b", "b.c", "c"].map(feed => matches(item(feed))), [true, false, true, false]);
});

test("message stands for items without a name", () => {
  const matches = matcher({terms: ["a"], event: "goal,message"});
  assert.deepEqual(["goal", "card", undefined, "message"].map(event => matches(item("a", event))), [true, false, true, true]);
});

test("a selector is told apart from other addresses", () => {
  const want = (/** @type {string} */ path) => wantOf(new URL(path, "https://example.com"));
  assert.deepEqual(want("/feeds/b,a.*?event=goal"), {site: "https://example.com/feeds/", want: {terms: ["b", "a.*"], event: "goal"}});
  assert.deepEqual(want("/x/feeds/a%2Cb").want.terms, ["a", "b"]);
  assert.equal(want("/feeds/_stats").site, "https://example.com/feeds/ own");
  for (const other of ["/feeds/a?ttl=1", "/live", "/feeds/a/b"]) {
    assert.deepEqual(want(other), {site: `https://example.com${other}`, want: {terms: [], event: ""}});
  }
});

test("a union covers both wants, whatever these are", () => {
  const terms = ["a", "b", "a.*", "**"];
  const events = ["", "goal", "goal,card"];
  const items = ["a", "b", "a.b", "c"].flatMap(feed => [undefined, "goal", "card"].map(event => item(feed, event)));
  const wants = terms.flatMap(one => terms.flatMap(other => events.map(event => ({terms: [...new Set([one, other])], event}))));
  /** @type {Map<object, (item: any) => boolean>} */
  const matchers = new Map(wants.map(want => [want, matcher(want)]));
  const wantsOf = (/** @type {object} */ want) => /** @type {(item: any) => boolean} */ (matchers.get(want));
  for (const a of wants) {
    for (const b of wants) {
      const union = unionOf(a, b);
      assert.ok(covers(union, a) && covers(union, b), JSON.stringify([a, b, union]));
      assert.deepEqual(unionOf(b, a), union);
      const either = items.filter(item => wantsOf(a)(item) || wantsOf(b)(item));
      assert.ok(either.every(matcher(union)), JSON.stringify([a, b, union]));
    }
  }
});

test("a want for all events is not covered by one for some", () => {
  assert.ok(!covers({terms: ["a"], event: "goal"}, {terms: ["a"], event: ""}));
  assert.ok(!covers({terms: ["a"], event: "goal"}, {terms: ["a"], event: "card"}));
  assert.ok(covers({terms: ["a", "b"], event: ""}, {terms: ["b"], event: "card"}));
  assert.ok(!covers({terms: ["a"], event: ""}, {terms: ["a", "b"], event: ""}));
});

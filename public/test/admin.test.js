import "./browser.js";

import assert from "node:assert/strict";
import {test} from "node:test";

import {KINDS} from "../admin/kindforms.js";
import {timeAfter} from "../admin/overview.js";
import {scaleFor} from "../admin/plot.js";
import {retentionWords} from "../admin/retention.js";
import {age, bytes, count, counted, milliseconds} from "../admin/units.js";
import {sentenceOf, unsettled, wordsOf} from "../shared/http.js";
import {show} from "../shared/kinds.js";

test("a plot's scale goes up at once, and down when half of it stands empty", () => {
  const run = (/** @type {number[]} */ values, /** @type {number} */ base) => {
    let top = 0;
    return values.map(value => top = scaleFor(value, top, base).top);
  };
  assert.deepEqual(run([4, 7, 12, 11, 9, 7, 3], 10), [4, 7.5, 15, 15, 15, 15, 3]);
  assert.deepEqual(run([1 << 20, 700_000, 3 << 20], 1024), [1 << 20, 1 << 20, 3 << 20]);
});

test("a plot's scale holds any value, in at most four steps", () => {
  for (let i = 0; i < 20_000; i++) {
    for (const base of [10, 1024]) {
      const value = 2 ** (i / 400 - 3);
      const {top, step} = scaleFor(value, 0, base);
      const words = `${value} by ${base}: ${top} in steps of ${step}`;
      assert.ok(top >= value * (1 - 1e-9) && top <= 2.5 * value + 1e-9 && top / step <= 4.001, words);
      assert.ok(scaleFor(top, 0, base).top <= top * 1.001, words);
    }
  }
});

test("figures have times that go on, where the server's clock was set back", () => {
  const run = (/** @type {number[]} */ times) => {
    /** @type {number | undefined} */
    let last;
    return times.map(time => last = timeAfter(last, time, 1));
  };
  assert.deepEqual(run([1000, 2000, 2000, 2000, 2000, 6000, 7000]), [1000, 2000, 3000, 4000, 5000, 6000, 7000]);
  assert.deepEqual(run([1000, 2300, 3000, 4000, 9000]), [1000, 2300, 3000, 4000, 9000]); // it is just late
});

test("numbers are said for people", () => {
  assert.deepEqual([0, 0.123, 9.96, 12.34, 1234.5].map(count), ["0", "0.12", "9.96", "12.3", "1,235"]);
  assert.deepEqual([0, 1023, 1024, 1536, 150 * 1024, 5 * 2 ** 40].map(bytes), ["0 B", "1,023 B", "1 KiB", "1.5 KiB", "150 KiB", "5 TiB"]);
  assert.deepEqual([0.1234, 12.34, 999, 1500].map(milliseconds), ["0.12 ms", "12.3 ms", "999 ms", "1.5 s"]);
  assert.deepEqual([-5, 99_400, 100_000, 6_000_000, 180_000_000].map(age), ["0 s", "99 s", "2 min", "2 h", "2 d"]);
  assert.deepEqual([counted(1, "feed"), counted(2, "feed"), counted(0, "entry", "entries")], ["1 feed", "2 feeds", "0 entries"]);
  assert.equal(retentionWords({retention: {max_items: 10_000, max_bytes: "64MiB", max_age: "30d"}}), "10,000 items, 64MiB, 30d");
  assert.equal(retentionWords({retention: {max_items: 0, max_bytes: "0", max_age: "0s"}}), "everything");
  assert.equal(retentionWords(undefined), "everything");
});

test("what went wrong is said in words", () => {
  assert.equal(sentenceOf({title: "the server does not answer"}), "The server does not answer.");
  assert.equal(wordsOf({status: 400, type: "bad-name", title: "The name is wrong", detail: "a b"}), "The name is wrong: a b");
  assert.equal(wordsOf({status: 503, title: "Not now", detail: "it is late"}), "Not now: it is late"); // another server's
  assert.equal(wordsOf({status: 502, title: "Bad Gateway"}), "the server answers 502 Bad Gateway");
  assert.equal(wordsOf({status: 502, title: "The server refused"}), "the server answers 502");
  const open = [{title: ""}, {status: 502, title: ""}, {status: 503, type: "outcome-unknown", title: ""}];
  assert.ok(open.every(unsettled));
  assert.ok(![{status: 503, type: "draining", title: ""}, {status: 429, title: ""}].some(unsettled));
});

test("each example is of its kind, has the fields of its form and no others, and is shown whole", () => {
  /** @type {(data: object) => any} */
  const shown = data => show({data});
  for (const [kind, {label, fields, example}] of Object.entries(KINDS)) {
    const data = shown(example);
    assert.ok(data.classList.contains(kind), `${kind} is shown as ${data.className}`);
    assert.ok(kind === "photo" || data.all("fields").length === 0, `${kind} leaves something away`);
    assert.ok(label && example.type === kind, kind);
    for (const {name, label, input, required} of fields) {
      assert.ok(label && ["text", "textarea", "url", "number"].includes(input), `${kind}.${name}`);
      assert.ok(!required || name in example, `${kind} needs ${name}`);
    }
    assert.ok(!shown({type: kind}).classList.contains(kind), `${kind} needs nothing`);
    for (const name of Object.keys(example)) {
      assert.ok(name === "type" || fields.some(field => field.name === name), `${kind} does not know ${name}`);
    }
  }
});

test("an object is of the first kind that has what it needs", () => {
  const kindOf = (/** @type {object} */ data) => show({data}).className.split(" ")[1];
  assert.equal(kindOf({home: "a", away: "b", score: "2:1"}), "score");
  assert.equal(kindOf({lat: "91", lon: "8", text: "x"}), "text");
  assert.equal(kindOf({latitude: -90, lng: 8}), "place");
  assert.equal(kindOf({name: "Ada", text: "x"}), "post");
  assert.equal(kindOf({title: "x", url: "javascript:alert(1)"}), "headline");
  assert.equal(kindOf({title: "x", url: "https://example.com"}), "link");
  assert.equal(kindOf({type: "headline", text: "x"}), "headline"); // its type outranks the order
  assert.equal(kindOf({type: "hasOwnProperty", text: "x"}), "text");
  assert.equal(kindOf({level: 184}), undefined);
});

test("numbers and repeated names are shown as they are written", () => {
  const words = show({data: {big: 1}, line: '{"data":{"big":12345678901234567890.10,"big":2}}'}).textContent ?? "";
  assert.ok(words.includes("big: 12345678901234567890.10") && words.includes("big: 2"), words);
});

test("a commit whose message begins with an empty line leaves no empty quote", () => {
  const data = {actor: "ada", repo: "engine", type: "PushEvent", payload: {commits: [{message: "\nlate"}, {message: "first\nsecond"}]}};
  /** @type {any} */
  const shown = show({data});
  assert.ok(shown.classList.contains("activity"));
  assert.deepEqual(shown.all("quote").map((/** @type {any} */ quote) => quote.textContent), ["first"]);
});

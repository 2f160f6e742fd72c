import "./browser.js";

import assert from "node:assert/strict";
import {test} from "node:test";

import {Failure, Refusal, ask, backoff, linesOf, membersOf, pause, persist, readPage, spread, trade} from "../feed-pages.js";
import {laidOut} from "../shared/json.js";
import {fakeClock} from "./clock.js";
import {page, problem, serve} from "./server.js";

const always = new AbortController().signal;
const url = new URL("http://feedd.test/feeds/main");

test("the envelopes of a page come as they are written", () => {
  const lines = [
    '{"id":"1","feed":"a","data":{"x":[1,2,{"y":"}]"}]}}', '{"id":"2", "data" : "\\"],{" }',
    '{"id":"3","data":12345678901234567890.10}', '{"id":"4","data":[]}', '{"data":"items","data":null}',
  ];
  assert.deepEqual(linesOf(`{"items":[${lines.join(" , ")}],"cursor":"4","more":false}`), lines);
  assert.deepEqual(linesOf(`{"cursor":"4","gap":{"items":[1]},\n"items" : [\n${lines[0]}\n]}`), [lines[0]]);
  assert.deepEqual(linesOf('{"items":[],"cursor":"0"}'), []);
});

test("members are taken apart without looking into them", () => {
  assert.deepEqual(membersOf('{"a":1, "b" : [1,{"c":2}] ,"a":"x,y","\\u0062":null}'), [
    {name: "a", source: "1"}, {name: "b", source: '[1,{"c":2}]'}, {name: "a", source: '"x,y"'}, {name: "b", source: "null"},
  ]);
  assert.deepEqual(membersOf(' [ true , "]" , [ ] ] '), [{name: "", source: "true"}, {name: "", source: '"]"'}, {name: "", source: "[ ]"}]);
  assert.deepEqual([membersOf("{}"), membersOf("[]")], [[], []]);
  assert.deepEqual([membersOf("12"), membersOf('"{}"'), membersOf("")], [undefined, undefined, undefined]);
  const deep = "[".repeat(500) + "]".repeat(500);
  assert.deepEqual(membersOf(`[${deep}]`), [{name: "", source: deep}]);
});

test("members of any JSON are what JSON.parse says", () => {
  let seed = 1;
  const random = (/** @type {number} */ n) => (seed = seed * 48271 % 2147483647) % n;
  /** @type {(depth: number) => any} */
  const value = depth => [
    () => random(1e6) / 8, () => null, () => random(2) === 0, () => ['"\\,:{}[]', "é☃", "", "\n\t"][random(4)],
    () => Array.from({length: random(4)}, () => value(depth + 1)),
    () => Object.fromEntries(Array.from({length: random(4)}, (_, i) => [`${"k".repeat(i)}"]`, value(depth + 1)])),
  ][random(depth > 4 ? 4 : 6)]();
  for (let i = 0; i < 2000; i++) {
    const whole = value(0);
    const members = membersOf(JSON.stringify(whole, undefined, random(3)));
    if (whole === null || typeof whole !== "object") assert.equal(members, undefined);
    else if (Array.isArray(whole)) assert.deepEqual(members?.map(({source}) => JSON.parse(source)), whole);
    else assert.deepEqual(members?.map(({name, source}) => [name, JSON.parse(source)]), Object.entries(whole));
    assert.deepEqual(JSON.parse(laidOut(JSON.stringify(whole), Infinity)), whole);
  }
});

test("JSON is laid out with its numbers as they are, and ends where it is long", () => {
  assert.equal(laidOut('{"a":1.10,"b":[],"c":[1,"\\u00e9"],"d":{}}', 1000), '{\n  "a": 1.10,\n  "b": [],\n  "c": [\n    1,\n    "é"\n  ],\n  "d": {}\n}');
  assert.ok(laidOut("[".repeat(500) + "]".repeat(500), 1000).length < 3000);
});

test("waits double up to a bound, and are spread by half", () => {
  for (const [failures, mean] of [[0, 1000], [1, 2000], [4, 16_000], [5, 30_000], [50, 30_000]]) {
    for (let i = 0; i < 100; i++) {
      const wait = backoff(failures);
      assert.ok(wait >= mean / 2 && wait <= mean * 1.5, `${wait} after ${failures}`);
    }
  }
  const waits = Array.from({length: 1000}, () => spread(100));
  assert.ok(Math.min(...waits) < 60 && Math.max(...waits) > 140);
});

test("a pause ends by time, by the signal, or at once where that came before", async t => {
  const clock = fakeClock(t);
  const stop = new AbortController();
  let ended = "";
  pause(1000, stop.signal).then(() => ended += "a");
  await clock.pass(999);
  assert.equal(ended, "");
  await clock.pass(1);
  assert.equal(ended, "a");
  pause(1000, stop.signal).then(() => ended += "b");
  stop.abort();
  pause(1000, stop.signal).then(() => ended += "c");
  await clock.settle();
  assert.equal(ended, "abc");
});

test("what an answer means: good, refused, or to be tried again", async t => {
  /** @type {Response} */
  let answer;
  serve(t, () => answer);
  const outcome = async () => {
    try {
      return (await ask(url, {}, always)).text;
    } catch (err) {
      assert.ok(err instanceof Failure || err instanceof Refusal);
      return `${err.name} ${err.problem?.status ?? "-"} ${err.problem?.type ?? "-"} ${err.problem?.title ?? "-"}`;
    }
  };
  for (const [response, want] of /** @type {[Response, string][]} */ ([
    [Response.json(1), "1"],
    [new Response(null, {status: 204}), ""],
    [new Response("{}", {headers: {"Content-Type": "application/problem+json; charset=utf-8"}}), "{}"],
    [new Response("<p>Room number?", {headers: {"Content-Type": "text/html"}}), "Failure - - The answer is not a feed's page"],
    [problem(401, {type: "unauthorized", title: "Who is it?"}), "Refusal 401 unauthorized Who is it?"],
    [problem(429, {type: "too-fast", title: "Too fast"}), "Failure 429 too-fast Too fast"],
    [problem(503, {type: "draining", title: "Going down"}), "Failure 503 draining Going down"],
    [new Response("", {status: 404, statusText: "Not Found"}), "Refusal 404 - Not Found"],
    [new Response("", {status: 502}), "Failure 502 - The server refused"],
  ])) {
    answer = response;
    assert.equal(await outcome(), want);
  }
});

test("Retry-After is followed, spread, and bounded", async t => {
  let value = "";
  serve(t, () => problem(503, {type: "draining", title: "Going down"}, {"Retry-After": value}));
  const retry = async () => {
    const err = await ask(url, {}, always).catch(err => err);
    return err.retry;
  };
  const within = async (/** @type {string} */ header, /** @type {number} */ least, /** @type {number} */ most) => {
    value = header;
    const wait = await retry();
    assert.ok(wait >= least && wait <= most, `${header}: ${wait}`);
  };
  await within("4", 4000, 6000);
  await within("0", 500, 1500);
  await within("3600", 300_000, 450_000);
  await within(new Date(Date.now() + 10_000).toUTCString(), 8000, 15_000);
  for (value of ["", "soon", "Thu, 01 Jan 1970 00:00:00 GMT", "-1"]) assert.equal(await retry(), undefined, value);
});

test("an answer that comes with the signal is for nobody", async t => {
  const stop = new AbortController();
  serve(t, () => {
    stop.abort();
    return Response.json(1);
  });
  await assert.rejects(ask(url, {}, stop.signal), {name: "AbortError"});
});

test("a page has its envelopes, exactly", async t => {
  const asked = serve(t, () => new Response('{"items":[{"id":"1","data":1.0}],"cursor":"1","more":false}', {headers: {"Content-Type": "application/json"}}));
  assert.deepEqual(await readPage(url, {last_event_id: "0"}, always), {items: [{id: "1", data: 1, line: '{"id":"1","data":1.0}'}], cursor: "1", more: false});
  assert.equal(asked[0].search, "?last_event_id=0");
});

test("attempts are made until one succeeds, and no more after a refusal", async t => {
  const clock = fakeClock(t);
  let attempts = 0;
  /** @type {number[]} */
  const waits = [];
  const done = persist(async () => {
    if (++attempts < 4) throw new Failure({retry: attempts === 2 ? 100 : undefined});
    return attempts;
  }, always, (_, wait) => waits.push(wait));
  await clock.pass(60_000);
  assert.equal(await done, 4);
  assert.equal(waits[1], 100);
  await assert.rejects(persist(async () => { throw new Refusal({title: "No"}); }, always), Refusal);
});

test("a ticket whose answer was lost may have been traded", async t => {
  const clock = fakeClock(t);
  const answers = [() => { throw new TypeError("the connection broke"); }, () => problem(401, {title: "It was used"})];
  serve(t, () => /** @type {() => Response} */ (answers.shift())());
  const traded = trade(url, "ticket", always);
  await clock.pass(2000);
  await traded;
  serve(t, () => problem(401, {title: "It was used"}));
  await assert.rejects(trade(url, "ticket", always), Refusal);
});

test("a page of many items is taken apart in milliseconds", async t => {
  serve(t, () => page(Array.from({length: 1000}, (_, i) => i + 1)));
  const {items} = await readPage(url, {}, always);
  assert.deepEqual(items.map(({line}) => JSON.parse(line).id), items.map(({id}) => id));
});

// The server's own figures, drawn as they come: the feed _stats, which this
// page reads like any other feed.

import {Feed} from "../feed.js";
import {setText} from "../shared/dom.js";
import {wordsFor} from "../shared/words.js";
import {Plot} from "./plot.js";
import {bytes, count, milliseconds} from "./units.js";

/** How many figures are held, one a second: those of the longest time that can be
 * shown. */
const MOST = 600;

/** How often the plots move on while nothing comes, in ms: as often as figures
 * come. */
const TICK = 1000;

/** The least of a scale keeps a server at rest from showing noise as mountains.
 * @type {import("./plot.js").Options[]} */
const PLOTS = [
  {title: "Published", series: [{name: "published", value: s => s.published}], format: n => `${count(n)}/s`, least: 4},
  {title: "Delivered", series: [{name: "delivered", value: s => s.delivered}], format: n => `${count(n)}/s`, least: 4},
  {
    title: "Delay", about: "From the time of an item to its write to a reader who waits for it", format: milliseconds, least: 4,
    series: [{name: "p50", value: s => s.p50_ms}, {name: "p99", value: s => s.p99_ms}],
  },
  {title: "Subscribers", series: [{name: "subscribers", value: s => s.subscribers}], format: count, least: 4},
  {title: "Backlog", about: "What the store takes up", series: [{name: "backlog", value: s => s.store_bytes}], format: bytes, base: 1024, least: 1 << 20},
  {title: "Memory", series: [{name: "memory", value: s => s.memory_bytes}], format: bytes, base: 1024, least: 32 << 20},
];

export class Overview {
  /** @type {import("./plot.js").Point[]} */
  #points = [];
  #skew = 0; // the server's clock, seen from here, in ms
  /** @type {Feed | undefined} */
  #feed;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;
  #live = false;
  #away = false; // it was live before, and is not
  /** @type {number | undefined} */
  #soon;

  /**
   * @param {HTMLElement} place for the plots
   * @param {object} to
   * @param {HTMLElement} to.words what the state of the connection is
   * @param {HTMLSelectElement} to.span how much is shown, in s
   * @param {HTMLElement} to.totals what there is in all
   * @param {(problem: import("../feed.js").Problem) => void} to.refused is told why the server does not let us read
   * @param {() => void} to.back the server is there again, perhaps with another
   *   configuration
   */
  constructor(place, to) {
    this.to = to;
    this.plots = PLOTS.map(options => new Plot(options, time => this.#point(time)));
    place.append(...this.plots.map(plot => plot.element));
    to.span.addEventListener("change", () => this.#draw());
  }

  /** The newest figures, {} before there are any. */
  get newest() {
    return this.#points.at(-1)?.sample ?? {};
  }

  /** @param {string} where the store is: on disk, or in memory */
  store(where) {
    for (const plot of this.plots) {
      if (plot.options.series[0].name === "backlog") plot.setTitle(`Backlog ${where}`);
    }
  }

  start() {
    this.stop();
    const feed = this.#feed = new Feed("/feeds/_stats", {last: MOST});
    feed.addEventListener("item", ({detail: {time, data}}) => this.#came(Date.parse(time), data));
    feed.addEventListener("state", ({detail: state}) => this.#state(state));
    // The plots move on even if nothing comes.
    this.#timer = setInterval(() => this.#live || this.#draw(), TICK);
  }

  stop() {
    this.#feed?.close();
    clearInterval(this.#timer);
    this.#points = [];
    this.#live = this.#away = false;
  }

  /** @param {number} time of the item, in ms
   * @param {any} sample what was measured, by name */
  #came(time, sample) {
    time = timeAfter(this.#points.at(-1)?.time, time, sample.seconds);
    // The past comes at once, and is drawn once.
    if (this.#points.push({time, sample}) > MOST) this.#points.shift();
    this.#skew = time - Date.now();
    this.#soon ??= requestAnimationFrame(() => {
      this.#soon = undefined;
      this.#draw();
    });
  }

  /** @param {import("../feed.js").State} state */
  #state(state) {
    const was = this.#live;
    this.#live = state.is === "live";
    if (was && !this.#live) this.#away = true;
    if (this.#live && this.#away) {
      this.#away = false;
      this.to.back();
    }
    if (state.is === "connecting" && this.#points.length) return; // an attempt
    const words = wordsFor(state);
    setText(this.to.words, words);
    this.to.words.dataset.is = state.is;
    if (state.is === "refused") this.to.refused(state.problem);
  }

  #draw() {
    const newest = this.#points.at(-1);
    const now = this.#live && newest ? newest.time : Date.now() + this.#skew;
    const from = now - Number(this.to.span.value) * 1000;
    for (const plot of this.plots) plot.show(this.#points, from, now);
    const {items, feeds} = this.newest;
    this.to.totals.textContent = newest ? `${count(items)} items in ${count(feeds)} ${feeds === 1 ? "feed" : "feeds"}` : "";
  }

  /** Shows all values at a time.
   * @param {number | undefined} time undefined: the newest */
  #point(time) {
    for (const plot of this.plots) plot.point(time);
  }
}

/**
 * When a figure was taken. If the server's clock was set back, the times of its
 * items stand still until the clock has caught up, but figures come all the
 * same.
 *
 * @param {number | undefined} before the time of the one before, in ms
 * @param {number} time of the item
 * @param {number} seconds between the two figures
 * @returns {number} in ms
 */
export function timeAfter(before, time, seconds) {
  // Figures may be late, but two figures are at least half of the interval apart.
  return before !== undefined && time - before < seconds * 500 ? before + seconds * 1000 : time;
}

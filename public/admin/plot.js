// Plots of values over time, as SVG: a line for each series, a grid with units,
// and a cursor that tells the values at a time, by mouse, finger or keyboard.
//
// The scale goes up as soon as a value needs it, and down only when half of it
// is empty, in round steps. So it rarely changes.

import {make} from "../shared/dom.js";

const SVG = "http://www.w3.org/2000/svg";
/** The room around the plotted area, and its height, in CSS pixels. On the left
 * are values such as 123 MiB, at the bottom times. */
const LEFT = 58, RIGHT = 8, TOP = 8, BOTTOM = 20, HEIGHT = 92;
/** How far apart times on the axis may be, in ms; and how much room one takes, in
 * CSS pixels. */
const EVERY = [10_000, 30_000, 60_000, 120_000, 300_000], LABEL = 70;
/** A plot is drawn no narrower than this, in CSS pixels, because it needs room
 * for two times. */
const NARROWEST = 160;
/** If two values are further apart than this, in ms, there is a gap between
 * them. Values come once a second, so at least one is missing then. */
const TOGETHER = 2500;

/**
 * @typedef {object} Series
 * @property {string} name
 * @property {(sample: *) => number | undefined} value undefined: there is none
 *
 * @typedef {object} Options
 * @property {string} title
 * @property {string} [about] what the title means
 * @property {Series[]} series one or two
 * @property {(n: number) => string} format of a value with its unit
 * @property {number} [base] 1024 for bytes: the steps of the scale are round in it
 * @property {number} [least] what the scale shows at least
 *
 * @typedef {{time: number, sample: *}} Point time in ms
 */

export class Plot {
  /** @type {Point[]} */
  #points = [];
  #from = 0;
  #to = 1;
  #top = 0;
  #width = 300; // until it is known
  /** @type {number | undefined} */
  #at;

  /**
   * @param {Options} options
   * @param {(time: number | undefined) => void} pointed a time was chosen, with
   *   undefined none any more
   */
  constructor(options, pointed) {
    this.options = options;
    this.pointed = pointed;
    const {title, about, series} = options;
    this.title = make("h3");
    this.svg = svg("svg", {"aria-hidden": "true", focusable: "false"});
    this.grid = svg("g", {class: "grid"});
    this.lines = series.map((_, i) => svg("path", {class: `line series-${i}`}));
    this.area = svg("path", {class: "area"});
    this.cursor = svg("line", {class: "cursor", y1: TOP, y2: TOP + HEIGHT, visibility: "hidden"});
    this.dots = series.map((_, i) => svg("circle", {class: `dot series-${i}`, r: 3.5, visibility: "hidden"}));
    this.svg.append(this.grid, this.area, ...this.lines, this.cursor, ...this.dots);
    // A slider over time is what screen readers know how to operate.
    this.slider = make("div", "canvas", this.svg);
    set(this.slider, {role: "slider", tabindex: 0});
    this.now = make("span", "now");
    this.ranges = series.map((_, i) => make("span", series.length > 1 ? `key series-${i}` : ""));
    this.element = make("section", "plot", make("header", "", this.title, this.now), this.slider, make("p", "hint ranges", ...this.ranges));
    this.setTitle(title);
    if (about) this.element.title = about;

    this.slider.addEventListener("pointermove", event => this.pointed(this.#timeAt(event.clientX)));
    this.slider.addEventListener("pointerdown", event => this.pointed(this.#timeAt(event.clientX)));
    this.slider.addEventListener("pointerleave", () => this.pointed(undefined));
    this.slider.addEventListener("blur", () => this.pointed(undefined));
    this.slider.addEventListener("keydown", event => this.#key(event));
    new ResizeObserver(([{contentRect}]) => {
      this.#width = Math.max(NARROWEST, contentRect.width);
      set(this.svg, {width: this.#width, height: TOP + HEIGHT + BOTTOM, viewBox: `0 0 ${this.#width} ${TOP + HEIGHT + BOTTOM}`});
      this.#draw();
    }).observe(this.slider);
  }

  /** @param {string} title */
  setTitle(title) {
    this.title.textContent = title;
    this.slider.setAttribute("aria-label", `${title}, values over time`);
    this.element.setAttribute("aria-label", title);
  }

  /** Shows points, the oldest first, of a time.
   * @param {Point[]} points
   * @param {number} from in ms
   * @param {number} to */
  show(points, from, to) {
    this.#points = points.slice(Math.max(0, points.findIndex(({time}) => time >= from)));
    if (!points.some(({time}) => time >= from)) this.#points = [];
    this.#from = from;
    this.#to = to;
    this.#draw();
  }

  /** Shows the values at a time; at the newest with undefined.
   * @param {number | undefined} time */
  point(time) {
    this.#at = time;
    this.#showValues();
  }

  /** @param {number} time */
  #x(time) {
    return LEFT + (time - this.#from) / (this.#to - this.#from) * (this.#width - LEFT - RIGHT);
  }

  /** @param {number} value */
  #y(value) {
    return TOP + HEIGHT * (1 - value / this.#top);
  }

  /** @param {number} clientX */
  #timeAt(clientX) {
    const {left} = this.svg.getBoundingClientRect();
    return this.#from + (clientX - left - LEFT) / (this.#width - LEFT - RIGHT) * (this.#to - this.#from);
  }

  #draw() {
    const {series, base = 10, least = 1} = this.options;
    const values = series.map(({value}) => this.#points.map(({sample}) => value(sample)).filter(v => v !== undefined));
    const {top, step} = scaleFor(Math.max(least, ...values.flat()), this.#top, base);
    this.#top = top;
    this.#drawGrid(step);
    for (const [i, {value}] of series.entries()) {
      const {line, area} = this.#pathOf(value);
      this.lines[i].setAttribute("d", line);
      if (i === 0) this.area.setAttribute("d", area);
    }
    for (const [i, {name}] of series.entries()) this.ranges[i].textContent = this.#rangeOf(series.length > 1 ? name : "", values[i]);
    this.#showValues();
  }

  /** @param {number} step of the scale */
  #drawGrid(step) {
    const {format} = this.options;
    const parts = [];
    for (let value = 0; value <= this.#top * 1.001; value += step) {
      const y = Math.round(this.#y(value)) + .5;
      parts.push(svg("line", {x1: LEFT, x2: this.#width - RIGHT, y1: y, y2: y}), label(value ? format(value) : "0", LEFT - 6, y + 4, "end"));
    }
    const span = this.#to - this.#from;
    const every = EVERY.find(ms => span / ms <= (this.#width - LEFT) / LABEL) ?? EVERY[EVERY.length - 1];
    for (let time = Math.ceil(this.#from / every) * every; time <= this.#to; time += every) {
      const x = this.#x(time);
      if (x < LEFT + 14 || x > this.#width - 24) continue; // there is no room for it
      parts.push(svg("line", {x1: x, x2: x, y1: TOP + HEIGHT, y2: TOP + HEIGHT + 4}), label(clock(time, every < 60_000), x, TOP + HEIGHT + 16, "middle"));
    }
    this.grid.replaceChildren(...parts);
  }

  /** A line for each run of values that are together, and the area under it.
   * @param {Series["value"]} value */
  #pathOf(value) {
    /** @type {string[][]} */
    const runs = [];
    let last = -Infinity;
    for (const {time, sample} of this.#points) {
      const v = value(sample);
      if (v === undefined) continue;
      if (time - last > TOGETHER) runs.push([]);
      runs[runs.length - 1].push(`${this.#x(time).toFixed(1)} ${this.#y(v).toFixed(1)}`);
      last = time;
    }
    const bottom = TOP + HEIGHT;
    const xOf = (/** @type {string} */ point) => point.split(" ", 1)[0];
    return {
      line: runs.map(run => `M${run.join("L")}${run.length === 1 ? "h.1" : ""}`).join(""),
      area: runs.map(run => `M${xOf(run[0])} ${bottom}L${run.join("L")}L${xOf(run[run.length - 1])} ${bottom}Z`).join(""),
    };
  }

  /** @param {string} name of the series, "" if it is the only one
   * @param {number[]} values */
  #rangeOf(name, values) {
    if (!values.length) return `${name} nothing yet`.trim();
    const {format} = this.options;
    const [low, high] = [Math.min(...values), Math.max(...values)].map(format);
    if (name) return `${name} up to ${high}`; // there is no room for more beside another
    return low === high ? low : `from ${low} to ${high}`;
  }

  /** The point that the cursor is at, or the newest. */
  #chosen() {
    const at = this.#at;
    if (at === undefined) return this.#points.at(-1);
    /** @type {Point | undefined} */
    let nearest;
    for (const point of this.#points) {
      if (!nearest || Math.abs(point.time - at) < Math.abs(nearest.time - at)) nearest = point;
    }
    return nearest;
  }

  #showValues() {
    const {series, format} = this.options;
    const point = this.#chosen();
    const pointed = this.#at === undefined ? undefined : point;
    const words = series.map(({name, value}) => {
      const v = point && value(point.sample);
      return v === undefined ? "" : `${series.length > 1 ? `${name} ` : ""}${format(v)}`;
    }).filter(Boolean).join(", ") || "–";
    this.now.textContent = pointed ? `${clock(pointed.time, true)}: ${words}` : words;
    for (const shape of [this.cursor, ...this.dots]) set(shape, {visibility: "hidden"});
    if (pointed) this.#mark(pointed);
    const last = Math.max(0, this.#points.length - 1);
    set(this.slider, {
      "aria-valuemin": 0, "aria-valuemax": last, "aria-valuenow": point ? this.#points.indexOf(point) : 0,
      "aria-valuetext": point ? `${clock(point.time, true)}: ${words}` : "nothing yet",
    });
  }

  /** Marks a point on the lines.
   * @param {Point} point */
  #mark({time, sample}) {
    const x = this.#x(time);
    set(this.cursor, {visibility: "visible", x1: x, x2: x});
    for (const [i, {value}] of this.options.series.entries()) {
      const v = value(sample);
      if (v !== undefined) set(this.dots[i], {visibility: "visible", cx: x, cy: this.#y(v)});
    }
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const points = this.#points;
    const chosen = this.#chosen();
    const now = chosen ? points.indexOf(chosen) : -1;
    /** @type {Record<string, number>} */
    const places = {
      ArrowLeft: now - 1, ArrowDown: now - 1, ArrowRight: now + 1, ArrowUp: now + 1,
      PageDown: now - 10, PageUp: now + 10, Home: 0, End: points.length - 1,
    };
    const to = places[event.key];
    if (event.key === "Escape") {
      this.pointed(undefined);
    } else if (to !== undefined && points.length) {
      event.preventDefault();
      this.pointed(points[Math.max(0, Math.min(to, points.length - 1))].time);
    }
  }
}

/**
 * A scale from 0 that holds a value, in at most 4 round steps. One that is there
 * stays while it holds the value, and is not more than twice as large as needed.
 *
 * @param {number} value
 * @param {number} before the top of the scale that is there, 0 for none
 * @param {number} base of the round numbers, 10 or 1024
 * @returns {{top: number, step: number}}
 */
export function scaleFor(value, before, base) {
  let next = roundScale(value, base);
  if (before >= value && before <= 2 * next.top) next = roundScale(before, base);
  return next;
}

/** @param {number} value
 * @param {number} base */
function roundScale(value, base) {
  // Logarithms and quotients of round numbers may be off by rounding.
  const unit = base ** Math.floor(Math.log(value) / Math.log(base) + ROUNDING);
  // Of 1024 there are binary steps within a unit.
  const steps = base === 10 ? [.25, .5, 1, 2.5, 5] : Array.from({length: 11}, (_, i) => 2 ** (i - 2));
  for (const step of steps) {
    const parts = Math.ceil(value / (step * unit) - ROUNDING);
    if (parts <= 4) return {top: parts * step * unit, step: step * unit};
  }
  return {top: 4 * base * unit, step: base * unit};
}

/** How much floating-point numbers may be off. */
const ROUNDING = 1e-9;

/** @param {number} time
 * @param {boolean} seconds whether to show them */
function clock(time, seconds) {
  return new Date(time).toLocaleTimeString("en-GB", seconds ? {} : {hour: "2-digit", minute: "2-digit"});
}

/** @param {string} text
 * @param {number} x
 * @param {number} y
 * @param {string} anchor */
function label(text, x, y, anchor) {
  const element = svg("text", {x, y, "text-anchor": anchor});
  element.textContent = text;
  return element;
}

/**
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number>} attributes
 * @returns {SVGElementTagNameMap[K]}
 */
function svg(tag, attributes) {
  return set(document.createElementNS(SVG, tag), attributes);
}

/**
 * @template {Element} T
 * @param {T} element
 * @param {Record<string, string | number>} attributes
 * @returns {T}
 */
function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

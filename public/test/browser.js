// The little of a browser that the scripts need when they are loaded, or make
// elements. It is imported before them.

/** An element, or a document fragment: it has children and says its text. */
class FakeElement {
  /** @type {(FakeElement | string)[]} */
  children = [];
  className = "";
  /** @type {Record<string, string>} */
  dataset = {};
  /** @type {Record<string, string>} */
  attributes = {};

  /** @param {string} tag */
  constructor(tag) {
    this.tagName = tag.toUpperCase();
  }

  get classList() {
    const classes = () => this.className.split(" ").filter(Boolean);
    return {
      add: (/** @type {string} */ name) => { this.className = [...classes(), name].join(" "); },
      contains: (/** @type {string} */ name) => classes().includes(name),
    };
  }

  /** @returns {string} */
  get textContent() {
    return this.children.map(child => typeof child === "string" ? child : child.textContent).join("");
  }

  set textContent(text) {
    this.children = [text];
  }

  /** @param {(FakeElement | string)[]} children */
  append(...children) {
    this.children.push(...children);
  }

  /** @param {string} name
   * @param {string} value */
  setAttribute(name, value) {
    this.attributes[name] = value;
  }

  addEventListener() {}

  /** All that is in it with a class.
   * @param {string} name
   * @returns {FakeElement[]} */
  all(name) {
    return this.children.flatMap(child => typeof child === "string" ? [] : [...child.classList.contains(name) ? [child] : [], ...child.all(name)]);
  }
}

Object.assign(globalThis, {
  location: new URL("http://feedd.test/"),
  document: {
    createElement: (/** @type {string} */ tag) => new FakeElement(tag),
    createDocumentFragment: () => new FakeElement(""),
  },
  ResizeObserver: class { observe() {} },
  requestAnimationFrame: (/** @type {() => void} */ run) => setTimeout(run),
  addEventListener() {},
  removeEventListener() {},
});

// Node 18, which Debian 12 has, lacks what every browser has.
AbortSignal.any ??= signals => {
  const either = new AbortController();
  for (const signal of signals) {
    if (signal.aborted) either.abort(signal.reason);
    signal.addEventListener("abort", () => either.abort(signal.reason));
  }
  return either.signal;
};

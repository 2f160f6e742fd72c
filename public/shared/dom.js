// Elements of a page: found, made, and changed.

/**
 * The element with an id. The scripts of a page need it, so without it they
 * fail.
 *
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @param {new () => T} [type] such as HTMLInputElement
 * @returns {T}
 */
export function $(id, type) {
  return one(document, `#${id}`, type);
}

/**
 * The first element for a selector within another. Like {@link $} it fails if
 * there is none.
 *
 * @template {HTMLElement} [T=HTMLElement]
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} [type]
 * @returns {T}
 */
export function one(root, selector, type) {
  const element = root.querySelector(selector);
  if (!(element instanceof (type ?? HTMLElement))) throw new TypeError(`the page has no such element: ${selector}`);
  return /** @type {T} */ (element);
}

/**
 * The innermost element for a selector that an event happened in.
 *
 * @template {HTMLElement} [T=HTMLElement]
 * @param {Event} event
 * @param {string} selector
 * @param {new () => T} [type]
 * @returns {T | undefined}
 */
export function around({target}, selector, type) {
  const element = target instanceof Element ? target.closest(selector) : null;
  return element instanceof (type ?? HTMLElement) ? /** @type {T} */ (element) : undefined;
}

/** The element with the keyboard, and what is around it: for a selector.
 * @param {string} selector
 * @returns {HTMLElement | undefined} */
export function focused(selector) {
  const element = document.activeElement?.closest(selector);
  return element instanceof HTMLElement ? element : undefined;
}

/** Takes the keyboard away from the element that has it. */
export function blur() {
  if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
}

/** A copy of what is in a template.
 * @param {string} id of the template
 * @returns {HTMLElement} */
export function fromTemplate(id) {
  const copy = $(id, HTMLTemplateElement).content.firstElementChild?.cloneNode(true);
  if (!(copy instanceof HTMLElement)) throw new TypeError(`the template is empty: ${id}`);
  return copy;
}

/**
 * Makes an element. Children that are strings become text, never HTML; those
 * that are undefined are left out.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {string} [classes]
 * @param {...(Node | string | undefined)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, classes, ...children) {
  const element = document.createElement(tag);
  if (classes) element.className = classes;
  element.append(...children.filter(child => child !== undefined));
  return element;
}

/** A button that sends no form.
 * @param {string} classes
 * @param {string} words
 * @param {string} [title] */
export function makeButton(classes, words, title = "") {
  const button = make("button", classes, words);
  button.type = "button";
  if (title) button.title = title;
  return button;
}

/** Sets a text that is read aloud when it changes: only when it does.
 * @param {Element} element
 * @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

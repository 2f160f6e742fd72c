// Writing an item, by a form of its kind, as plain text or as JSON.

import {pageFor} from "../shared/address.js";
import {$, make, makeButton} from "../shared/dom.js";
import {phraseOf, problemIn, unsettled} from "../shared/http.js";
import {show} from "../shared/kinds.js";
import {durabilityIn} from "./config.js";
import {KINDS} from "./kindforms.js";
import {newMessageKey, publish} from "./publishing.js";
import {Sent} from "./sent.js";
import {milliseconds} from "./units.js";

/** @typedef {import("./publishing.js").Message} Message
 * @typedef {import("../feed.js").Problem} Problem
 * @typedef {Record<string, string>} Draft what is in a form, by field */

/** What can be written beside the kinds. */
const TEXT = "text/plain", JSON_TYPE = "application/json";

/** JSON that is of no kind. */
const DATA = `{
  "station": "Harbour",
  "level_cm": 184,
  "alarms": []
}`;

/** How long a field must stay unchanged before the preview follows, in ms:
 * longer than the time between two keys. */
const PREVIEW = 250;

export class Composer {
  /** @type {Map<string, Draft>} what was written, by kind */
  #drafts = new Map();
  #kind = Object.keys(KINDS)[0];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {{content: string, key: string} | undefined} the last message that
   * may be stored or not: its answer was lost */
  #open;

  /** @param {{failed: (problem: Problem) => void, published: () => void}} to */
  constructor(to) {
    this.to = to;
    this.form = $("compose");
    this.feed = $("to-feed", HTMLInputElement);
    this.event = $("event-name", HTMLInputElement);
    this.ttl = $("ttl", HTMLInputElement);
    this.kinds = $("kind", HTMLSelectElement);
    this.fields = $("fields");
    this.preview = $("preview");
    this.result = $("result");
    this.reader = $("reader", HTMLAnchorElement);
    this.sent = new Sent($("sent", HTMLOListElement), {
      again: (message, key) => this.#send(message, key ?? newMessageKey()),
      edit: (kind, draft, message) => {
        this.feed.value = message.feed;
        this.event.value = message.event;
        this.ttl.value = message.ttl;
        this.#choose(kind, {...draft});
        this.form.scrollIntoView({block: "nearest"});
        this.#control()?.focus();
      },
    });

    /** @type {(kind: string, label: string, title: string, draft: Draft) => void} */
    const example = (kind, label, title, draft) => {
      const button = makeButton("", label, title);
      button.addEventListener("click", () => {
        this.#choose(kind, {...draft});
        this.#publish();
      });
      $("examples").append(button);
    };
    for (const [kind, {label, example: data}] of Object.entries(KINDS)) {
      example(kind, label, `Publish an example of the kind ${label.toLowerCase()}`, draftOf(data));
      this.kinds.append(new Option(label, kind));
    }
    example(JSON_TYPE, "JSON", "Publish an example of JSON that is of no kind", {body: DATA});
    this.kinds.append(new Option("Plain text", TEXT), new Option("JSON, as you write it", JSON_TYPE));
    this.kinds.addEventListener("change", () => this.#choose(this.kinds.value));
    this.fields.addEventListener("input", () => {
      this.#drafts.set(this.#kind, this.#read());
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#preview(), PREVIEW);
    });
    this.feed.addEventListener("input", () => this.#showReader());
    this.form.addEventListener("submit", event => {
      event.preventDefault(); // the page's policy lets no form be sent
      this.#publish();
    });
    this.#choose(this.#kind);
    this.#showReader();
  }

  #showReader() {
    const feed = this.feed.value.trim() || "main";
    this.reader.href = pageFor({selector: feed});
    this.reader.textContent = `Open ${feed} in the reader`;
  }

  /** Shows the form of a kind.
   * @param {string} kind
   * @param {Draft} [draft] without it what was there before, else the example */
  #choose(kind, draft) {
    // JSON begins with what was in the form.
    const before = kind === JSON_TYPE && this.#kind !== JSON_TYPE ? {body: this.#body(this.#kind === TEXT ? undefined : 2)} : undefined;
    draft ??= before ?? this.#drafts.get(kind) ?? (KINDS[kind] ? draftOf(KINDS[kind].example) : {body: "Good morning."});
    this.#kind = this.kinds.value = kind;
    this.#drafts.set(kind, draft);
    this.fields.replaceChildren(...controlsOf(kind, draft));
    this.#preview();
  }

  /** @returns {NodeListOf<HTMLInputElement | HTMLTextAreaElement>} */
  get #controls() {
    return this.fields.querySelectorAll("input, textarea");
  }

  /** The first control of the form. */
  #control() {
    return this.#controls.item(0);
  }

  /** @returns {Draft} */
  #read() {
    return Object.fromEntries([...this.#controls].map(({name, value}) => [name, value]));
  }

  /** @param {number} [indent] of JSON */
  #body(indent) {
    const draft = this.#drafts.get(this.#kind) ?? {};
    const kind = KINDS[this.#kind];
    if (!kind) return this.#kind === TEXT && indent ? JSON.stringify(draft.body) : draft.body;
    /** @type {Record<string, string | number>} */
    const data = {type: this.#kind};
    for (const {name, input} of kind.fields) {
      const text = draft[name]?.trim() ?? "";
      if (text) data[name] = input === "number" ? Number(text) : text;
    }
    return JSON.stringify(data, undefined, indent);
  }

  #preview() {
    clearTimeout(this.#timer);
    const body = this.#body();
    if (this.#kind === TEXT) {
      this.preview.replaceChildren(show({data: body}));
      return;
    }
    try {
      this.preview.replaceChildren(show({data: JSON.parse(body), line: `{"data":${body.trim()}}`}));
    } catch {
      this.preview.replaceChildren(make("p", "hint", "This is not JSON yet."));
    }
  }

  #publish() {
    const message = {
      feed: this.feed.value.trim() || "main", event: this.event.value.trim(), ttl: this.ttl.value.trim(),
      type: this.#kind === TEXT ? TEXT : JSON_TYPE, body: this.#body(),
    };
    // The same key is used again, so a message that may be stored already is
    // not stored twice.
    const again = this.#open?.content === JSON.stringify(message) ? this.#open.key : undefined;
    return this.#send(message, again ?? newMessageKey(), this.#kind, {...this.#drafts.get(this.#kind)});
  }

  /**
   * @param {Message} message
   * @param {string} key
   * @param {string} [kind] with the draft, when it comes from the form
   * @param {Draft} [draft]
   */
  async #send(message, key, kind = message.type, draft = {body: message.body}) {
    const row = this.sent.add(message, key, kind, draft);
    const content = JSON.stringify(message);
    this.#control()?.removeAttribute("aria-invalid");
    try {
      const receipt = await publish(message, key, why => this.#tell("busy", `${why} Trying again.`));
      if (this.#open?.content === content) this.#open = undefined;
      const {id, feed, headers, took} = receipt;
      const {short} = durabilityIn(headers);
      row.stored(id, short);
      const link = make("a", "", id);
      link.href = pageFor({selector: feed, at: id});
      link.target = "feedd-reader";
      const stored = headers.has("Idempotent-Replay") ? "An earlier attempt had stored it, once, as " : `Published to ${feed} in ${milliseconds(took)} as `;
      this.#tell("good", stored, link, `. It is ${short}.`);
      this.to.published();
    } catch (error) {
      const problem = problemIn(error);
      const open = unsettled(problem);
      if (open) this.#open = {content, key};
      row.refused(phraseOf(problem), open);
      const where = problem.type === "bad-json" && message.body === this.#control()?.value ? this.#pointAt(problem) : "";
      const unknown = open ? " Whether it is stored is not known. Publish it again: it will be stored once." : "";
      this.#tell("bad", `${phraseOf(problem)}.${where}${unknown}`);
      this.to.failed(problem);
    }
  }

  /** Puts the cursor where the JSON is wrong.
   * @param {Problem} problem its offset is in bytes
   * @returns {string} what to say of it */
  #pointAt({offset}) {
    const control = this.#control();
    if (offset === undefined || this.#kind !== JSON_TYPE) return "";
    const all = new TextEncoder().encode(control.value);
    const before = new TextDecoder().decode(all.slice(0, offset)).length;
    control.setAttribute("aria-invalid", "true");
    control.focus();
    control.setSelectionRange(before, Math.min(before + 1, control.value.length));
    return ` The cursor is there, after ${offset} bytes.`;
  }

  /** @param {"good" | "busy" | "bad"} how
   * @param {...(string | Node)} words */
  #tell(how, ...words) {
    this.result.className = `notice ${how}`;
    this.result.replaceChildren(...words);
  }
}

/** What is in a form for an example.
 * @param {Record<string, string | number>} example
 * @returns {Draft} */
function draftOf(example) {
  return Object.fromEntries(Object.entries(example).map(([name, value]) => [name, String(value)]));
}

/** The controls of a kind, each with its label.
 * @param {string} kind
 * @param {Draft} draft */
function controlsOf(kind, draft) {
  /** @type {import("./kindforms.js").Field[]} */
  const fields = KINDS[kind]?.fields ?? [{name: "body", label: kind === TEXT ? "Text" : "JSON", input: "textarea", required: kind === TEXT}];
  return fields.map(({name, label, input, required}) => {
    const control = input === "textarea" ? make("textarea") : inputOf(input);
    control.id = `field-${name}`;
    control.name = name;
    control.required = required === true;
    control.value = draft[name] ?? "";
    control.setAttribute("autocomplete", "off");
    if (kind === JSON_TYPE) {
      control.className = "source";
      control.spellcheck = false;
    }
    const words = make("label", "", required ? label : KINDS[kind] ? `${label} (optional)` : label);
    words.htmlFor = control.id;
    return make("div", "field", words, control);
  });
}

/** @param {"text" | "url" | "number"} type */
function inputOf(type) {
  const input = make("input");
  input.type = type;
  if (type === "number") input.step = "any";
  return input;
}

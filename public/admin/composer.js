// Writing an item, by a form of its kind, as plain text or as JSON.

import {pageFor} from "../shared/address.js";
import {KINDS} from "./kindforms.js";
import {show} from "../shared/kinds.js";
import {newKey, publish} from "./publishing.js";
import {unsettled} from "./request.js";
import {Sent} from "./sent.js";
import {durabilityIn} from "./config.js";
import {make} from "../shared/text.js";
import {milliseconds} from "./units.js";

/** What can be written beside the kinds. */
const TEXT = "text/plain", JSON_TYPE = "application/json";

/** JSON that is of no kind. */
const DATA = `{
  "station": "Harbour",
  "level_cm": 184,
  "alarms": []
}`;

/** How long somebody may go on typing before the preview follows, in ms. */
const PREVIEW = 250;

export class Composer {
  /** @type {Map<string, Record<string, string>>} what was written, by kind */
  #drafts = new Map();
  #kind = Object.keys(KINDS)[0];
  #timer;
  /** @type {{content: string, key: string} | undefined} the last message of
   * which is not known whether it was stored */
  #open;

  /**
   * @param {HTMLElement} section
   * @param {{failed: (error: Error) => void, published: () => void}} to
   */
  constructor(section, to) {
    this.to = to;
    const $ = id => section.querySelector(`#${id}`);
    this.form = $("compose");
    this.feed = $("to-feed");
    this.event = $("event-name");
    this.ttl = $("ttl");
    this.kinds = $("kind");
    this.fields = $("fields");
    this.preview = $("preview");
    this.result = $("result");
    this.reader = $("reader");
    this.sent = new Sent($("sent"), {
      again: (message, key) => this.#send(message, key ?? newKey()),
      edit: (kind, draft, message) => {
        for (const name of ["feed", "event", "ttl"]) this[name].value = message[name];
        this.#choose(kind, {...draft});
        this.form.scrollIntoView({block: "nearest"});
        this.#control()?.focus();
      },
    });

    const example = (kind, label, title, draft) => {
      const button = make("button", "", label);
      button.type = "button";
      button.title = title;
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
   * @param {Record<string, string>} [draft] without it what was there before,
   *   else the example */
  #choose(kind, draft) {
    // JSON begins with what was in the form.
    const before = kind === JSON_TYPE && this.#kind !== JSON_TYPE ? {body: this.#body(this.#kind === TEXT ? undefined : 2)} : undefined;
    draft ??= before ?? this.#drafts.get(kind) ?? (KINDS[kind] ? draftOf(KINDS[kind].example) : {body: "Good morning."});
    this.#kind = this.kinds.value = kind;
    this.#drafts.set(kind, draft);
    this.fields.replaceChildren(...controlsOf(kind, draft));
    this.#preview();
  }

  #control() {
    return this.fields.querySelector("input, textarea");
  }

  /** @returns {Record<string, string>} */
  #read() {
    return Object.fromEntries([...this.fields.querySelectorAll("input, textarea")].map(({name, value}) => [name, value]));
  }

  /** @param {number} [indent] of JSON */
  #body(indent) {
    const draft = this.#drafts.get(this.#kind);
    const kind = KINDS[this.#kind];
    if (!kind) return this.#kind === TEXT && indent ? JSON.stringify(draft.body) : draft.body;
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
    // Who publishes again what may be there already means the same item.
    const again = this.#open?.content === JSON.stringify(message) ? this.#open.key : undefined;
    return this.#send(message, again ?? newKey(), this.#kind, {...this.#drafts.get(this.#kind)});
  }

  /**
   * @param {import("./publishing.js").Message} message
   * @param {string} key
   * @param {string} [kind] with the draft, when it comes from the form
   * @param {Record<string, string>} [draft]
   */
  async #send(message, key, kind = message.type, draft = {body: message.body}) {
    const row = this.sent.add(message, key, kind, draft);
    const content = JSON.stringify(message);
    this.#control()?.removeAttribute("aria-invalid");
    try {
      const receipt = await publish(message, key, error => this.#tell("busy", `${error.message}. Trying again.`));
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
      const open = unsettled(error);
      if (open) this.#open = {content, key};
      row.refused(error.message, open);
      const where = error.type === "bad-json" && message.body === this.#control()?.value ? this.#pointAt(error) : "";
      const unknown = open ? " Whether it is stored is not known. Publish it again: it will be stored once." : "";
      this.#tell("bad", `${error.message}.${where}${unknown}`);
      this.to.failed(error);
    }
  }

  /** Puts the caret where the JSON is wrong: the offset is in bytes.
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

  #tell(how, ...words) {
    this.result.className = `notice ${how}`;
    this.result.replaceChildren(...words);
  }
}

/** What a form has for an example. */
function draftOf(example) {
  return Object.fromEntries(Object.entries(example).map(([name, value]) => [name, String(value)]));
}

/** The controls of a kind, each with its label. */
function controlsOf(kind, draft) {
  const fields = KINDS[kind]?.fields ?? [{name: "body", label: kind === TEXT ? "Text" : "JSON", input: "textarea", required: kind === TEXT}];
  return fields.map(({name, label, input, required}) => {
    const control = make(input === "textarea" ? "textarea" : "input");
    if (input !== "textarea") control.type = input;
    if (input === "number") control.step = "any";
    control.id = `field-${name}`;
    control.name = name;
    control.required = required === true;
    control.value = draft[name] ?? "";
    control.autocomplete = "off";
    if (kind === JSON_TYPE) {
      control.className = "source";
      control.spellcheck = false;
    }
    const words = make("label", "", required ? label : KINDS[kind] ? `${label} (optional)` : label);
    words.htmlFor = control.id;
    return make("div", "field", words, control);
  });
}

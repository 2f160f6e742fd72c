// Items as people like to see them. All that comes from a publisher is put in
// as text; of addresses only those of the web and of mail become links.
//
// An item whose data is a JSON object is shown by its fields. The field `type`
// may name the kind; without it, or with one that is not known, the fields tell:
// the first kind of ORDER that has what it needs. Names are taken tolerantly
// (title or headline, lon or lng); the first of them that is there counts. No
// field is left out: where an object has some that its kind does not show, all of
// them can be opened below. An object of no kind is a tree.

import {membersOf} from "../feed-pages.js";
import {make} from "./dom.js";
import {foldWhenTall} from "./fold.js";
import {SHOWN, addressIn, link, linked, sourceOf} from "./text.js";
import {treeOf} from "./tree.js";

/** In this order the kinds are tried on an object whose type does not say which it
 * is: those that need the most fields come first. */
const ORDER = ["score", "place", "activity", "post", "photo", "video", "link", "headline", "text"];

/** How many commits of a push are told, and how much of a text is quoted, in
 * characters: an activity takes no more room than a post. */
const COMMITS = 3, QUOTE = 300;

/** @type {Record<string, (f: Fields) => (Node | string | undefined)[] | undefined>} */
const SHOW = {
  headline(f) {
    const words = f.text("headline", "title", ...(f.typed ? ["text", "name"] : []));
    return words ? [make("p", "headline", link(f.text("url", "href", "link"), words)), paragraph(f.text("text", "description"))] : undefined;
  },
  text(f) {
    const words = f.text("text", "message", "body", "content", ...(f.typed ? ["title", "headline"] : []));
    return words ? [paragraph(words)] : undefined;
  },
  photo(f) {
    const src = addressIn(f.text("src", "photo", "image", ...(f.typed ? ["url", "href"] : [])), /^https?:\/\//i);
    if (!src) return undefined;
    const caption = f.text("caption", "title", "text");
    const image = make("img");
    image.loading = "lazy";
    image.referrerPolicy = "no-referrer";
    image.alt = f.text("alt") ?? caption ?? "a photo without a description";
    image.src = src;
    const frame = link(src, image);
    image.addEventListener("error", () => frame.replaceChildren(`${src} (the photo cannot be loaded)`));
    return [make("figure", "", frame, caption && make("figcaption", "", linked(caption)))];
  },
  video(f) {
    const src = addressIn(f.text("src", "video", ...(f.typed ? ["url", "href"] : [])), /^https?:\/\//i);
    if (!src) return undefined;
    const caption = f.text("caption", "title", "text");
    // The address of anything but a file (a video site's page, say) is a link.
    const file = /\.(mp4|m4v|webm|ogv|mov)$/i.test(new URL(src).pathname);
    const shown = file ? player(src, caption, addressIn(f.text("poster"), /^https?:\/\//i)) : link(src, src);
    return [make("figure", "", shown, caption && make("figcaption", "", linked(caption)))];
  },
  link(f) {
    const url = f.text("url", "href", "link");
    const address = addressIn(url);
    if (!address) return undefined;
    return [make("p", "", link(url, f.text("title", "headline", "name") ?? url)), paragraph(f.text("text", "description", "caption")),
      make("p", "from", new URL(address).host)];
  },
  place(f) {
    const [lat, lon] = [f.text("lat", "latitude"), f.text("lon", "lng", "long", "longitude")];
    const right = (/** @type {string | undefined} */ text, /** @type {number} */ most) => text !== undefined && Math.abs(Number(text)) <= most;
    if (!right(lat, 90) || !right(lon, 180)) return undefined;
    const name = f.text("name", "title", "label");
    const map = `https://www.openstreetmap.org/?mlat=${Number(lat)}&mlon=${Number(lon)}#map=14/${Number(lat)}/${Number(lon)}`;
    return [name && make("p", "headline", name), paragraph(f.text("text", "address", "description")),
      make("p", "from", `${lat}, ${lon} `, link(map, "show on a map"))];
  },
  score(f) {
    const [home, away] = [f.text("home", "home_team"), f.text("away", "away_team")];
    let points = [f.text("home_score", "home_goals"), f.text("away_score", "away_goals")];
    if (!points[0]) points = f.pair("score", "result") ?? points;
    if (!home || !away || !points[0] || !points[1]) return undefined;
    return [make("p", "score", make("span", "", home), make("b", "", `${points[0]} : ${points[1]}`), make("span", "", away)),
      paragraph(f.text("text", "minute", "status"))];
  },
  post(f) {
    const [name, user] = [f.text("name", "author"), f.text("user", "username", "login", "nick")];
    const words = f.text("text", "message", "body", "content");
    if (!words || !(name || user)) return undefined;
    return [make("p", "by", make("b", "", name ?? user), name && user ? make("span", "from", ` @${user}`) : undefined), paragraph(words)];
  },
  activity(f) {
    const actor = f.inner("actor", "login", "name");
    const repo = f.inner("repo", "name", "full_name");
    const what = f.text("type");
    if (!actor || !repo || !what) return undefined;
    const words = what.replace(/Event$/, "").replaceAll(/\B(?=[A-Z])/g, " ").toLowerCase();
    const payload = fieldsOf(f.source("payload") ?? "{}");
    const said = (payload.list("commits") ?? []).slice(0, COMMITS).map(commit => fieldsOf(commit).text("message")?.split("\n", 1)[0]);
    said.push(payload.inner("issue", "title"), payload.inner("pull_request", "title"), payload.inner("comment", "body"), payload.text("description"));
    return [make("p", "by", make("b", "", actor), ` ${VERBS[words] ?? `${words}:`} `, make("b", "", repo)),
      ...said.flatMap(words => words ? [make("p", "quote", linked(words.slice(0, QUOTE)))] : [])];
  },
};

/** @param {string} src
 * @param {string} [caption]
 * @param {string} [poster] */
function player(src, caption, poster) {
  const video = make("video");
  video.controls = true;
  video.preload = "none";
  video.setAttribute("aria-label", caption ?? "a video without a title");
  if (poster) video.poster = poster;
  video.src = src;
  return video;
}

/** What an actor did.
 * @type {Record<string, string>} */
const VERBS = {
  push: "pushed to", create: "created something in", fork: "forked", watch: "watches", "issue comment": "commented in",
  issues: "changed an issue of", gollum: "edited the wiki of", "pull request": "changed a pull request of", delete: "deleted something in",
};

/** The fields of an object, and which of them were looked at. */
class Fields {
  /** @type {Set<string>} those that are shown */
  used = new Set();
  typed = false; // the object itself says that it is of this kind

  /** @param {Map<string, string>} sources */
  constructor(sources) {
    this.sources = sources;
  }

  /** @param {string} name
   * @returns {string | undefined} */
  source(name) {
    return this.sources.get(name);
  }

  /** The first that is a text or a number, as it is written, and was not taken
   * yet.
   * @param {...string} names
   * @returns {string | undefined} */
  text(...names) {
    for (const name of names) {
      const source = this.used.has(name) ? undefined : this.source(name);
      const text = source?.startsWith('"') ? JSON.parse(source) : /^[-\d]/.test(source ?? "") ? source : "";
      if (!text.trim()) continue;
      this.used.add(name);
      return text;
    }
    return undefined;
  }

  /** A name, or that of an object.
   * @param {string} name
   * @param {...string} names in the object */
  inner(name, ...names) {
    return this.text(name) ?? fieldsOf(this.source(name) ?? "").text(...names);
  }

  /** @param {string} name
   * @returns {string[] | undefined} */
  list(name) {
    return membersOf(this.source(name) ?? "")?.map(({source}) => source);
  }

  /** Two numbers: [2, 1] or "2:1".
   * @param {...string} names */
  pair(...names) {
    for (const name of names) {
      const list = this.list(name) ?? this.text(name)?.split(/\s*[:–-]\s*/);
      if (list?.length !== 2 || !list.every(part => /^\d+$/.test(part))) continue;
      this.used.add(name);
      return list;
    }
    return undefined;
  }
}

/** @param {string} source of an object */
function fieldsOf(source) {
  return new Fields(new Map((membersOf(source) ?? []).map(({name, source}) => [name, source])));
}

/** @param {string | undefined} text */
function paragraph(text) {
  return text === undefined ? undefined : make("p", "words", linked(text));
}

/** What an object is shown as; undefined when it is of no kind.
 * @param {string} source */
function showObject(source) {
  const sources = fieldsOf(source).sources;
  const type = new Fields(sources).text("type")?.toLowerCase();
  const known = type && Object.hasOwn(SHOW, type);
  for (const kind of known ? [type, ...ORDER] : ORDER) {
    const fields = new Fields(sources);
    fields.typed = kind === type;
    const parts = SHOW[kind](fields);
    if (!parts) continue;
    const others = [...sources.keys()].some(name => name !== "type" && !fields.used.has(name));
    return {kind, parts: others ? [...parts, allFields(source)] : parts};
  }
  return undefined;
}

/** @param {string} source of an object */
function allFields(source) {
  const details = make("details", "fields", make("summary", "", "All fields"));
  details.addEventListener("toggle", () => details.append(treeOf(source)), {once: true});
  return details;
}

/**
 * An item's data, as an element of the class `data` and its kind's.
 *
 * @param {{id?: string, feed?: string, line?: string, data: any}} item one for a
 *   preview has data only
 * @returns {HTMLElement}
 */
export function show(item) {
  const json = typeof item.data !== "string";
  const text = json ? sourceOf(item) : item.data;
  const root = make("div", "data");
  root.dir = "auto";
  const whole = text.length <= SHOWN;
  const object = whole && json && text.startsWith("{") ? showObject(text) : undefined;
  if (object) {
    root.classList.add(object.kind);
    root.append(...object.parts.filter(part => part !== undefined));
  } else if (json && whole) {
    root.dir = "ltr";
    root.append(treeOf(text));
  } else {
    root.classList.add(json ? "json" : "words");
    root.append(linked(text.slice(0, SHOWN)));
  }
  if (!whole && item.id) {
    const all = make("a", "", "Show all of it");
    all.href = `/feeds/${encodeURIComponent(item.feed ?? "")}/items/${encodeURIComponent(item.id)}`;
    root.append(make("p", "more", all));
  }
  foldWhenTall(root);
  return root;
}

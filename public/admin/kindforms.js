// What a form asks for to compose an item of a kind. How it is shown is in
// kinds.js.

/**
 * @typedef {object} Field one of a kind's fields, for a form
 * @property {string} name
 * @property {string} label
 * @property {"text" | "textarea" | "url" | "number"} input
 * @property {boolean} [required]
 *
 * @typedef {{label: string, fields: Field[], example: Record<string, string | number>}} Kind
 */

/** @type {(name: string, label: string, input?: Field["input"], required?: boolean) => Field} */
const field = (name, label, input = "text", required = false) => ({name, label, input, required});
/** @type {(name: string, label: string, input?: Field["input"]) => Field} */
const must = (name, label, input) => field(name, label, input, true);
/** The address of one of feedd's own files, for an example: a reader of the feed
 * reaches it, because it reaches this server.
 * @param {string} name */
const own = name => new URL(name, location.href).href;

/** The kinds that can be composed. A form sends its fields and `type`, the name
 * of the kind.
 * @type {Record<string, Kind>} */
export const KINDS = {
  headline: {
    label: "Headline",
    fields: [must("headline", "Headline"), field("text", "Text", "textarea"), field("url", "Address", "url")],
    example: {type: "headline", headline: "The bridge is open again", text: "Trains run from noon.", url: "https://example.com/bridge"},
  },
  text: {
    label: "Text",
    fields: [must("text", "Text", "textarea")],
    example: {type: "text", text: "Good morning. The first boats are on the water."},
  },
  photo: {
    label: "Photo",
    fields: [must("src", "Address of the image", "url"), field("caption", "Caption"), field("alt", "What it shows, for people who cannot see it")],
    example: {type: "photo", src: own("/harbour.svg"), caption: "The harbour at six", alt: "Fishing boats in fog"},
  },
  link: {
    label: "Link",
    fields: [must("url", "Address", "url"), field("title", "Title"), field("text", "Text", "textarea")],
    example: {type: "link", url: "https://example.com/timetable", title: "The new timetable", text: "Valid from Sunday."},
  },
  place: {
    label: "Place",
    fields: [field("name", "Name"), must("lat", "Latitude", "number"), must("lon", "Longitude", "number"), field("text", "Text", "textarea")],
    example: {type: "place", name: "Finish line", lat: 47.3667, lon: 8.55},
  },
  score: {
    label: "Score",
    fields: [must("home", "Home"), must("home_score", "Goals, home", "number"), must("away", "Away"), must("away_score", "Goals, away", "number"), field("text", "Text")],
    example: {type: "score", home: "Ajax", home_score: 2, away: "PSV", away_score: 1, text: "67th minute"},
  },
  video: {
    label: "Video",
    fields: [must("src", "Address of the video", "url"), field("caption", "Caption")],
    example: {type: "video", src: own("/start.webm"), caption: "The start"},
  },
  post: {
    label: "Post",
    fields: [must("name", "Name"), field("user", "Short name"), must("text", "Text", "textarea")],
    example: {type: "post", name: "Ada", user: "ada", text: "On my way."},
  },
};

// Package public holds the pages that feedd serves, as they are (no build step,
// no framework, nothing from elsewhere), and openapi.yaml, which describes its
// HTTP interface.
//
// feed.js is the client library: four files and their types, which may be taken
// to other sites. The pages are index.html, the reader's, with the scripts and
// styles in reader, admin.html with admin, and chat.html with chat; all use
// shared. harbour.svg and start.webm, drawn for feedd, are what the examples of a
// photo and a video show. In test are the tests of the scripts; package.json and
// tsconfig.json are for these and for the check of types only.
package public

import "embed"

// Files are the pages, what they load, and openapi.yaml.
//
//go:embed *.html feed*.js feed.d.ts *.yaml *.svg *.webm reader admin chat shared
var Files embed.FS

// Package public holds the pages that feedd serves, as they are (no build step,
// no framework, nothing from elsewhere), and openapi.yaml, which describes its
// HTTP interface. harbour.svg and start.webm, drawn for feedd, are what the
// examples of a photo and a video show.
package public

import "embed"

// Files are the pages, what they load, and openapi.yaml.
//
//go:embed *.html feed*.js *.yaml *.svg *.webm reader admin chat shared
var Files embed.FS

// Package public holds the pages that feedd serves, as they are (no build step,
// no framework, nothing from elsewhere), and openapi.yaml, which describes its
// HTTP interface.
package public

import "embed"

// Files are the pages, what they load, and openapi.yaml.
//
//go:embed *.html *.js *.css *.svg *.yaml
var Files embed.FS

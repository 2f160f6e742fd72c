// Package public holds the pages that feedd serves, as they are: no build
// step, no framework, nothing from elsewhere.
package public

import "embed"

// Files are the pages and what they load.
//
//go:embed *.html *.js *.css
var Files embed.FS

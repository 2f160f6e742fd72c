package publish

import (
	"net/http"

	"feedd/internal/problem"
)

// TooFast is the throttle's tooFast and then its tooMuch: how many seconds to
// wait, 0 where it is allowed.
func (p *Publisher) TooFast(r *http.Request, items, bytes int) (wait int) {
	err := p.throttle.tooFast(r)
	if err == nil {
		err = p.throttle.tooMuch(r, items, bytes)
	}
	if err == nil {
		return 0
	}
	return problem.Of(err).RetryAfter
}

package browser

import (
	"encoding/json"
	"fmt"
)

const (
	// HastyPauses make a page wait a hundredth of what it means to, where that is
	// less than the patience that it has with a server.
	HastyPauses = `{
		const wait = setTimeout;
		globalThis.setTimeout = (f, ms, ...args) => wait(f, ms < 4000 ? ms / 100 : ms, ...args);
	}`
	// HastyRetries make a page wait a hundredth of what it means to between two
	// attempts. Those waits are spread at random, so they are no whole
	// milliseconds; its patience with a server is, and stays as long as it is.
	HastyRetries = `{
		const wait = setTimeout;
		globalThis.setTimeout = (f, ms, ...args) => wait(f, ms % 1 ? ms / 100 : ms, ...args);
	}`
)

// Hasty divides waits of exactly these numbers of ms by part.
func Hasty(part int, waits ...int) string {
	list, err := json.Marshal(waits)
	if err != nil {
		panic(err) // numbers do not fail
	}
	return fmt.Sprintf(`{
		const wait = setTimeout;
		globalThis.setTimeout = (f, ms, ...args) => wait(f, %s.includes(ms) ? ms / %d : ms, ...args);
	}`, list, part)
}

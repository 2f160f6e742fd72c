package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// await waits for a condition that the test itself can see.
func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(pagePatience); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it did not come about that %s", what)
		}
	}
}

// awaitNumber waits until there are so many.
func awaitNumber(t *testing.T, what string, want int, count func() int) {
	t.Helper()
	n := 0
	defer func() {
		if n != want {
			t.Logf("at last there were %d", n)
		}
	}()
	await(t, fmt.Sprintf("there are %d %s", want, what), func() bool { n = count(); return n == want })
}

// connections returns how many streams and waiting pages the server at an
// address has.
func connections(t *testing.T, address string) int {
	t.Helper()
	resp, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	n := -1
	if _, after, ok := strings.Cut(string(body), "\nfeedd_subscribers "); !ok {
		t.Fatalf("there is no feedd_subscribers in\n%s", body)
	} else if _, err := fmt.Sscan(after, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

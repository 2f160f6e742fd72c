package harness

import (
	"cmp"
	"os"
	"strconv"
	"testing"
	"time"
)

// Number returns what a variable says, or otherwise.
func Number(t testing.TB, name string, otherwise uint64) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(cmp.Or(os.Getenv(name), strconv.FormatUint(otherwise, 10)), 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// Seed returns FEEDD_TEST_SEED, or otherwise, and logs it.
func Seed(t testing.TB, otherwise uint64) uint64 {
	t.Helper()
	seed := Number(t, "FEEDD_TEST_SEED", otherwise)
	t.Logf("FEEDD_TEST_SEED=%d", seed)
	return seed
}

// Steps returns FEEDD_TEST_STEPS, or otherwise.
func Steps(t testing.TB, otherwise uint64) uint64 {
	t.Helper()
	return Number(t, "FEEDD_TEST_STEPS", otherwise)
}

// ClientsTime returns FEEDD_TEST_CLIENTS, or otherwise.
func ClientsTime(t testing.TB, otherwise time.Duration) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(cmp.Or(os.Getenv("FEEDD_TEST_CLIENTS"), otherwise.String()))
	if err != nil {
		t.Fatalf("FEEDD_TEST_CLIENTS: %v", err)
	}
	return d
}

// Long reports whether FEEDD_TEST_LONG is set.
func Long() bool { return os.Getenv("FEEDD_TEST_LONG") != "" }

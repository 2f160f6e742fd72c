package crash_test

import (
	"cmp"
	"context"
	"encoding/json"
	"feedd/e2e/harness"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
)

// realInput returns the lines of a file of input: a few of our own, which are
// hard to carry, or more of the world's from the directory FEEDD_TEST_DATA.
func realInput(t *testing.T, name string) []string {
	dir := cmp.Or(os.Getenv("FEEDD_TEST_DATA"), filepath.Join("testdata", "input"))
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

// sameJSON compares items as JSON values, one by one.
func sameJSON(t *testing.T, how string, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d items, want %d", how, len(got), len(want))
	}
	for i := range want {
		if g, w := jsonValue(t, got[i]), jsonValue(t, want[i]); !reflect.DeepEqual(g, w) {
			t.Fatalf("%s: item %d is\n%s\nwant\n%s", how, i, got[i], want[i])
		}
	}
}

func jsonValue(t *testing.T, s string) (v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %q", err, s)
	}
	return v
}

// Real items, published by the real command, come back as the same JSON
// values, in order, on every transport, also after a restart.
func TestP1P3_real_input_on_every_transport(t *testing.T) {
	files := map[string][]string{
		"tweets": realInput(t, "tweets.ndjson"),
		"events": realInput(t, "github-events.ndjson"),
	}
	s := harness.Start(t)
	for feed, lines := range files {
		s.Run(strings.Join(lines, "\n")+"\n", "publish", "--feed", feed, "--lines")
	}
	for _, when := range []string{"live", "after a restart"} {
		for feed, lines := range files {
			n := len(lines)
			sameJSON(t, feed+" by SSE "+when, s.BySSE(feed, n), lines)
			sameJSON(t, feed+" by NDJSON "+when, s.ByNDJSON(feed, n), lines)
			for _, limit := range []int{1, 7, 1000} {
				sameJSON(t, fmt.Sprintf("%s by pages of %d %s", feed, limit, when), s.ByPages(feed, limit), lines)
			}
			tailed := s.Run("", "tail", feed, "--since", "all", "-n", fmt.Sprint(n))
			sameJSON(t, feed+" by feedd tail "+when, strings.Split(strings.TrimSpace(tailed), "\n"), lines)
		}
		if when == "live" {
			s.Kill()
			s.Start()
		}
	}
}

// The server is killed with -9 again and again while items are published:
// nothing acknowledged is missing, nothing is stored twice, and a subscriber
// that is cut off each time gets each item once.
func TestP2P3P7_kill_in_the_middle_of_publishing(t *testing.T) {
	lines := realInput(t, "tweets.ndjson")
	const publishers, each, kills = 4, 400, 5
	s := harness.Start(t)
	key := s.Key()
	ctx, cancel := context.WithTimeout(context.Background(), 2*harness.Patience)
	defer cancel()

	// A subscriber with the rules of a browser: it comes back with the last id.
	var received []harness.Event
	var subscriber sync.WaitGroup
	subscriber.Go(func() { received = s.Follow(ctx, "crash", publishers*each) })

	acked := make(chan struct{}, publishers*each)
	var publishing sync.WaitGroup
	for p := range publishers {
		publishing.Go(func() {
			for i := range each {
				name := fmt.Sprintf("%d-%d", p, i)
				body := fmt.Sprintf(`{"name":%q,"line":%s}`, name, lines[i%len(lines)])
				if err := s.PublishUntil(ctx, key, "crash", name, body); err != nil {
					t.Error(err)
					return
				}
				acked <- struct{}{}
			}
		})
	}
	for range kills {
		for range publishers * each / (kills + 1) {
			<-acked
		}
		s.Kill()
		s.Start()
	}
	publishing.Wait()
	subscriber.Wait()

	stored := s.ByPages("crash", 1000)
	checkNames := func(how string, items []string) {
		t.Helper()
		seen := make(map[string]int)
		next := make([]int, publishers)
		for _, item := range items {
			var v struct {
				Name string
				Line json.RawMessage
			}
			if err := json.Unmarshal([]byte(item), &v); err != nil {
				t.Fatal(err)
			}
			seen[v.Name]++
			var p, i int
			fmt.Sscanf(v.Name, "%d-%d", &p, &i)
			if i != next[p] {
				t.Fatalf("%s: item %s where %d-%d was due", how, v.Name, p, next[p])
			}
			next[p]++
			if !reflect.DeepEqual(jsonValue(t, string(v.Line)), jsonValue(t, lines[i%len(lines)])) {
				t.Fatalf("%s: item %s is damaged", how, v.Name)
			}
		}
		if len(seen) != publishers*each || len(items) != publishers*each {
			t.Errorf("%s: %d items, %d different ones, want %d", how, len(items), len(seen), publishers*each)
		}
	}
	checkNames("stored", stored)
	var got []string
	for i, e := range received {
		got = append(got, e.Data)
		if i > 0 && len(e.ID) == len(received[i-1].ID) && e.ID <= received[i-1].ID {
			t.Errorf("P1: id %s after %s", e.ID, received[i-1].ID)
		}
	}
	checkNames("the subscriber", got)
	if !slices.Equal(got, stored) {
		t.Error("the subscriber saw another order than the store has")
	}
}

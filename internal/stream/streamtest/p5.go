package streamtest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"feedd/internal/stream"
)

// P5 isolation: what readers ask for, however dear, costs the others nothing.
var casesP5 = []testCase{
	{rule: "no commit waits while feeds are matched with a selection", run: testP5NoCommitWaits},
	{rule: "a selection with many feeds is read as one with few", run: testP5ManyFeeds},
}

// A reader is held in the middle of matching: with real selections that is for
// as long as its patterns and all feeds make it.
func testP5NoCommitWaits(t *testing.T, s Subject) {
	for _, what := range []string{"Read", "Read backward", "Read of a loss", "Feeds"} {
		st := open(t, s, stream.StoreOptions{Retention: retain(stream.Retention{MaxItems: 1})})
		st.put("a", "1")
		st.put("b.c", "2", "3") // 2 is lost
		asked, answer := make(chan struct{}, 100), make(chan struct{})
		release := sync.OnceFunc(func() { close(answer) })
		defer release()
		q := st.whole(st.sel("**"))
		q.Select = q.Select.Allowing("slow", func(string) bool {
			asked <- struct{}{}
			<-answer
			return true
		})
		q.Backward = what == "Read backward"
		if what == "Read" {
			q.LossTold = q.UpTo
		}
		done := make(chan error, 1)
		go func() {
			if what == "Feeds" {
				_, err := st.Feeds(context.Background(), q.Select)
				done <- err
				return
			}
			_, err := st.Read(context.Background(), q)
			done <- err
		}()
		within(t, what+" asks the selection", asked)
		for _, feed := range []string{"a", "new"} {
			ans := within(t, "an Append is answered meanwhile", st.begin(context.Background(), text(feed, "x")))
			if ans.err != nil {
				t.Errorf("Append during %s: %v", what, ans.err)
			}
		}
		release()
		if err := within(t, what+" ends", done); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// An engine may read many feeds in another way than few, in pages of whatever
// size; what comes is the same, and so is what is told as lost.
func testP5ManyFeeds(t *testing.T, s Subject) {
	const feeds = 420 // so that more than 256 are selected, from where on sqlitelog reads in another way
	st := open(t, s, stream.StoreOptions{Retention: retain(stream.Retention{MaxItems: 1})})
	var want, losers []string
	for i := range feeds {
		feed := fmt.Sprintf("%s.f%d", []string{"x", "y", "z"}[i%3], i)
		st.put(feed, "gone", fmt.Sprint(i)) // the first of two is lost
		if i%3 < 2 {
			want, losers = append(want, fmt.Sprint(i)), append(losers, feed)
		}
	}
	slices.Sort(losers)
	for _, size := range []int{7, 300, 5000} {
		q := st.whole(st.sel("x.*,*.f1,y.**"))
		q.Items = size
		var got []string
		var told stream.ID
		for more := true; more; {
			p := st.page(q)
			if p.Loss != nil {
				if len(got) > 0 || p.Loss.Through <= told {
					t.Fatalf("in pages of %d, after %d items: the loss %+v again", size, len(got), p.Loss)
				}
				told = p.Loss.Through
				same(t, "who lost something", p.Loss.Feeds, losers[:stream.MaxGapFeeds])
				if p.Loss.Oldest != p.Items[0].ID {
					t.Errorf("the oldest is %s, and the first item %s", p.Loss.Oldest, p.Items[0].ID)
				}
				q.LossTold = told
			}
			got = append(got, data(p.Items)...)
			q.After, more = p.Through, p.More
		}
		same(t, fmt.Sprintf("items, in pages of %d", size), got, want)
		if told == 0 {
			t.Errorf("in pages of %d the loss was not told", size)
		}
	}
	backward := st.whole(st.sel("x.*,y.**"))
	backward.Backward, backward.Items = true, 10
	same(t, "the newest", data(st.page(backward).Items), want[len(want)-10:])
	infos, err := st.Feeds(context.Background(), st.sel("x.f0,z.**,*.f1"))
	if err != nil {
		t.Fatal(err)
	}
	if len(infos) != feeds/3+2 || infos[0].Name != "x.f0" || infos[1].Name != "y.f1" {
		t.Errorf("%d feeds are listed, not %d", len(infos), feeds/3+2)
	}
}

package browser

import (
	"encoding/json"
	"feedd/e2e/harness"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/go-cmp/cmp"
)

// Row is a row of the page.
type Row struct {
	ID, Feed, Event, Text string
	Gap                   bool
}

// WaitRows waits until there are n rows, or more.
func (tab *Tab) WaitRows(n int) {
	tab.t.Helper()
	tab.Wait(fmt.Sprintf("rows().length >= %d", n))
}

// Rows returns the rows as they are on the page, the newest first.
func (tab *Tab) Rows() []Row {
	tab.t.Helper()
	rows := []Row{}
	if err := json.Unmarshal([]byte(tab.Eval("JSON.stringify(rows())")), &rows); err != nil {
		tab.t.Fatal(err)
	}
	return rows
}

// WantRows checks the rows against those wanted, which are the oldest first.
func (tab *Tab) WantRows(want []Row) {
	tab.t.Helper()
	got := tab.Rows()
	slices.Reverse(got)
	if diff := cmp.Diff(want, got); diff != "" {
		tab.t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// WantRun checks that the rows are the numbers from one to the other, the
// newest first, without a hole.
func (tab *Tab) WantRun(first, last int) {
	tab.t.Helper()
	tab.areRun(tab.Rows(), first, last)
}

func (tab *Tab) areRun(rows []Row, first, last int) {
	tab.t.Helper()
	if len(rows) != last-first+1 {
		tab.t.Fatalf("there are %d rows, not %d to %d", len(rows), first, last)
	}
	for i, row := range rows {
		if row.Text != strconv.Itoa(last-i) {
			tab.t.Fatalf("row %d is %q, not %d", i, row.Text, last-i)
		}
	}
}

// WantDense checks that no row is missing between the first and the last, and
// that they are in bounds.
func (tab *Tab) WantDense() (first, last int) {
	tab.t.Helper()
	rows := tab.Rows()
	if len(rows) == 0 || len(rows) > 500 {
		tab.t.Fatalf("there are %d rows", len(rows))
	}
	last, _ = strconv.Atoi(rows[0].Text)
	first = last - len(rows) + 1
	tab.areRun(rows, first, last)
	return first, last
}

// Filter has only items with a text shown.
func (tab *Tab) Filter(text string) {
	tab.t.Helper()
	tab.Eval(`document.querySelector("#words").value = ` + Quote(text) + `, document.querySelector("#words").dispatchEvent(new Event("input")), ""`)
}

// Publish stores an item and returns the row that a page for its feed alone
// shows for it, when it is plain text.
func Publish(s *harness.Server, feed, event, contentType, data string) Row {
	return Row{ID: s.Publish(feed, event, contentType, data), Event: event, Text: data}
}

package sqlitelog_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"feedd/internal/sqlitelog"
	"feedd/internal/stream"
)

// version1 returns a directory with a store that the last feedd of schema
// version 1 made: items 2 to 4 of news with their keys, and a retention of
// chat's own.
func version1(t *testing.T) string {
	t.Helper()
	f, err := os.Open("testdata/version1.db.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "feedd.db"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A store of the version before is taken over with all that it has, once.
func TestUpgradeFromVersion1(t *testing.T) {
	dir := version1(t)
	for i := range 3 {
		l := mustOpen(t, dir, stream.StoreOptions{})
		page, err := l.Read(t.Context(), stream.Query{Select: all(t), UpTo: stream.MaxID, Items: 10, Bytes: 1000})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, it := range page.Items {
			got = append(got, it.Event+":"+string(it.Data))
		}
		if s := strings.Join(got, ","); s != "e:item 2,e:item 3,e:item 4" || page.Loss == nil || page.Loss.Reason != stream.Trimmed {
			t.Errorf("opening %d: items %s, loss %+v", i, s, page.Loss)
		}
		b := stream.Batch{Feed: "news", Key: "k4", Drafts: []stream.Draft{{Event: "e", Data: []byte("item 4")}}}
		if r, err := l.Append(t.Context(), b); err != nil || !r.Replayed {
			t.Errorf("opening %d: a repeat got %+v, %v", i, r, err)
		}
		feeds, err := l.Feeds(t.Context(), all(t))
		if err != nil || len(feeds) != 2 || !feeds[0].Own || feeds[0].Retention.MaxItems != 7 {
			t.Errorf("opening %d: feeds %+v, %v", i, feeds, err)
		}
		want := ""
		if i > 0 {
			want = fmt.Sprint(i - 1)
		}
		if at, err := l.SourceAt(t.Context(), "u"); err != nil || at != want {
			t.Errorf("opening %d: the source is at %q, %v; want %q", i, at, err, want)
		}
		if _, err := l.Append(t.Context(), stream.Batch{Feed: "news", Source: stream.Source{Name: "u", At: fmt.Sprint(i)}}); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// An upgrade that cannot be finished leaves the store as it was, to be opened
// by the feedd that made it.
func TestUpgradeIsAllOrNothing(t *testing.T) {
	dir := version1(t)
	exec := func(q string) {
		t.Helper()
		conn, err := sqlite.OpenConn(filepath.Join(dir, "feedd.db"), sqlite.OpenReadWrite)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := sqlitex.ExecuteScript(conn, q, nil); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE TABLE source (in_the_way TEXT)")
	if l, err := sqlitelog.Open(dir, stream.StoreOptions{}); err == nil {
		l.Close()
		t.Fatal("a store whose upgrade fails was opened")
	}
	exec("DROP TABLE source")
	l := mustOpen(t, dir, stream.StoreOptions{})
	if u := l.Usage(); u.Items != 3 || u.Keys != 5 {
		t.Errorf("after the upgrade the store has %+v", u)
	}
}

func TestNewerVersionIsAnError(t *testing.T) {
	for _, version := range []int{0, -1, 3, 99} {
		dir := t.TempDir()
		if err := mustOpen(t, dir, stream.StoreOptions{}).Close(); err != nil {
			t.Fatal(err)
		}
		conn, err := sqlite.OpenConn(filepath.Join(dir, "feedd.db"), sqlite.OpenReadWrite)
		if err != nil {
			t.Fatal(err)
		}
		err = sqlitex.ExecuteTransient(conn, fmt.Sprintf("PRAGMA user_version = %d", version), nil)
		if e := conn.Close(); err != nil || e != nil {
			t.Fatal(err, e)
		}
		l, err := sqlitelog.Open(dir, stream.StoreOptions{})
		if err == nil {
			l.Close()
		}
		if want := fmt.Sprintf("it has schema version %d, this feedd knows versions up to 2", version); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("version %d: %v", version, err)
		}
	}
}

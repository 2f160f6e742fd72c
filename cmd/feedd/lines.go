package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/signal"
	"slices"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"feedd/internal/client"
)

const (
	// maxBatchLines and maxBatchBytes bound a batch: 500 lines of some 500 bytes.
	// That is far below what a server takes by default, and a commit of 500 items
	// takes it a few milliseconds. A longer line is a batch of its own.
	maxBatchLines = 500
	maxBatchBytes = 256 << 10
	// linger is how long a line waits for others to share its batch: a person
	// hardly notices it, and a busy log fills a batch sooner.
	linger = 100 * time.Millisecond
	// maxLine bounds a line, in bytes: this much is held in memory, some three
	// times over. It is what a server takes for a whole body, unless it is told
	// otherwise.
	maxLine = 16 << 20
	// grace is how long an interrupted publish may take to be answered: far
	// longer than a commit, and no longer than a person waits who has pressed
	// Ctrl-C.
	grace = 5 * time.Second
	// firstRetry and maxRetry are the waits between tries after a refusal whose
	// cause a person has to mend, such as a changed key: the first tries follow
	// soon, and once it is mended the lines go on within half a minute.
	firstRetry, maxRetry = time.Second, 30 * time.Second
)

// inputLine is one line of the input, or the error that ended it.
type inputLine struct {
	number int // from 1
	data   []byte
	size   int   // in the input, in bytes
	bad    error // why it cannot be published, whatever is in it
	err    error
}

// lineError names the line of the input that could not be published.
type lineError struct {
	number int
	err    error
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %v", e.number, e.err) }
func (e *lineError) Unwrap() error { return e.err }

var (
	errInterrupted = errors.New("interrupted")
	errLineTooLong = fmt.Errorf("it has more than %d MiB", maxLine>>20)
)

// linePublisher publishes lines in batches. All of it belongs to the goroutine
// of the command.
type linePublisher struct {
	*publishing
	client   *client.Client
	connect  func() (*client.Client, error) // with the key as it is now
	in       <-chan inputLine
	progress *progress
	most     int        // lines of a batch: less after the server found one too large
	held     *inputLine // read, but in no batch yet
	items    int        // published
	losses   losses
}

// publishLines publishes every line of the input. It has one goroutine, which
// reads the input. It ends with the input; a read that waits for more cannot be
// taken back. So if something else ends the command, the goroutine ends with
// the next line or with the process.
func (p *publishing) publishLines(ctx context.Context, cmd *cobra.Command) error {
	begin := time.Now()
	stderr := cmd.ErrOrStderr()
	bar := newProgress(stderr, cmd.InOrStdin())
	defer bar.clear()
	// The reader of the notes may go away; publishing the lines goes on.
	signal.Ignore(syscall.SIGPIPE)
	defer signal.Reset(syscall.SIGPIPE)
	connect := func() (*client.Client, error) {
		return p.target.client(func(err error, wait time.Duration) {
			bar.clear()
			fmt.Fprintf(stderr, "publishing again in %s: %v\n", seconds(wait), err)
		})
	}
	c, err := connect()
	if err != nil {
		return err
	}

	reading, stop := context.WithCancel(ctx)
	defer stop()
	in := make(chan inputLine)
	go readLines(reading, cmd.InOrStdin(), in)

	lp := &linePublisher{publishing: p, client: c, connect: connect, in: in, progress: bar, most: maxBatchLines}
	defer func() { lp.client.Close() }()
	lp.losses = newLosses(func(note string) {
		bar.clear()
		fmt.Fprintln(stderr, note)
	})
	err = lp.run(ctx)
	bar.clear()
	if err != nil {
		return fmt.Errorf("%w; %s before%s", err, count(lp.items), lp.losses.after("; "))
	}
	fmt.Fprintf(stderr, "%s%s\n", summary(lp.items, time.Since(begin)), lp.losses.after("\n"))
	return nil
}

// readLines sends the lines that are not blank, and at the end closes out.
func readLines(ctx context.Context, r io.Reader, out chan<- inputLine) {
	defer close(out)
	br := bufio.NewReaderSize(r, 64<<10) // what a pipe holds, so one read empties it
	for number := 1; ; number++ {
		data, size, err := readLine(br)
		if number == 1 {
			data = bytes.TrimPrefix(data, []byte("\ufeff")) // a byte order mark
		}
		line := inputLine{number: number, data: trimNewline(data), size: size}
		if size > maxLine {
			line.bad = errLineTooLong
		}
		if line.bad != nil || len(bytes.TrimSpace(data)) > 0 {
			select {
			case out <- line:
			case <-ctx.Done():
				return
			}
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			select {
			case out <- inputLine{number: number, err: err}:
			case <-ctx.Done():
			}
			return
		}
	}
}

// readLine reads a line with its end, and returns its size. Of a line larger
// than maxLine it returns only the size.
func readLine(br *bufio.Reader) (line []byte, size int, err error) {
	for {
		part, err := br.ReadSlice('\n')
		if size += len(part); size <= maxLine {
			line = append(line, part...)
		} else {
			line = nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, size, err
		}
	}
}

func (lp *linePublisher) run(ctx context.Context) error {
	for {
		batch, err := lp.gather(ctx)
		if len(batch) > 0 {
			if err := lp.publish(ctx, batch); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// numbered is an item with the line that it comes from.
type numbered struct {
	client.Draft
	line int
	size int // of the line, in bytes
}

// gather returns the next batch, once it is full or has waited long enough.
// With an error, io.EOF at the end of the input, the batch may have items still
// to be published before it.
func (lp *linePublisher) gather(ctx context.Context) ([]numbered, error) {
	var batch []numbered
	var bytes int
	var late <-chan time.Time
	for len(batch) < lp.most {
		line, err := lp.next(ctx, late)
		if errors.Is(err, errLate) {
			return batch, nil
		}
		if err != nil {
			return batch, err
		}
		if len(batch) > 0 && bytes+line.size > maxBatchBytes {
			lp.held = &line
			return batch, nil
		}
		d, err := lp.draftLine(&line)
		if err != nil && lp.strict {
			return batch, &lineError{line.number, err}
		}
		if err != nil {
			lp.losses.leaveOut(line.number, err)
			continue
		}
		batch = append(batch, numbered{d, line.number, line.size})
		bytes += line.size
		if late == nil {
			timer := time.NewTimer(linger)
			defer timer.Stop()
			late = timer.C
		}
	}
	return batch, nil
}

// draftLine makes an item of a line. It replaces bytes that are not UTF-8,
// unless --strict is set.
func (lp *linePublisher) draftLine(line *inputLine) (client.Draft, error) {
	if line.bad != nil {
		return client.Draft{}, line.bad
	}
	whole := utf8.Valid(line.data)
	if !whole && !lp.strict {
		line.data = bytes.ToValidUTF8(line.data, []byte("\ufffd"))
	}
	d, err := lp.draft(line.data, lp.json || !lp.text && looksJSON(line.data))
	if !whole && err == nil {
		lp.losses.replace(line.number)
	}
	return d, err
}

var errLate = errors.New("the batch has waited long enough")

func (lp *linePublisher) next(ctx context.Context, late <-chan time.Time) (inputLine, error) {
	if lp.held != nil {
		line := *lp.held
		lp.held = nil
		return line, nil
	}
	select {
	case line, more := <-lp.in:
		switch {
		case ctx.Err() != nil:
			return line, errInterrupted
		case !more:
			return line, io.EOF
		case line.err != nil:
			return line, &lineError{line.number, line.err}
		}
		return line, nil
	case <-late:
		return inputLine{}, errLate
	case <-ctx.Done():
		return inputLine{}, errInterrupted
	}
}

// publish publishes a batch. If the server refuses the batch for its items, the
// batch is divided until the refused lines are found. They are left out; with
// --strict the first one ends the command.
func (lp *linePublisher) publish(ctx context.Context, batch []numbered) error {
	err := lp.send(ctx, batch)
	var refused *client.Error
	if !errors.As(err, &refused) || !lp.forWhatIsInIt(refused) {
		return err
	}
	if len(batch) == 1 {
		if lp.strict {
			return &lineError{batch[0].line, err}
		}
		lp.losses.leaveOut(batch[0].line, refused)
		return nil
	}
	half, before := len(batch)/2, lp.losses.leftOut
	for _, part := range [][]numbered{batch[:half], batch[half:]} {
		if err := lp.publish(ctx, part); err != nil {
			return err
		}
	}
	if refused.Status == http.StatusRequestEntityTooLarge && lp.losses.leftOut == before {
		lp.most = min(lp.most, half) // not one line, but all together were too much
	}
	return nil
}

// forWhatIsInIt reports whether a refusal is for the items, so that other items
// may be taken. Otherwise the request itself is wrong, and would be so with
// every line.
func (lp *linePublisher) forWhatIsInIt(e *client.Error) bool {
	switch e.Status {
	case http.StatusRequestEntityTooLarge:
		return true
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return lp.strict || slices.Contains([]string{"bad-json", "bad-text", "empty-item"}, e.Type)
	}
	return false
}

func (lp *linePublisher) send(ctx context.Context, batch []numbered) error {
	drafts := make([]client.Draft, len(batch))
	var size int
	for i := range batch {
		drafts[i] = batch[i].Draft
		size += batch[i].size
	}
	// What was read is published even if the command was interrupted, if the
	// server takes it soon.
	sending, cancel := lp.limit(context.WithoutCancel(ctx))
	defer cancel()
	unwatch := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	defer unwatch()
	key := rand.Text()
	for wait := (client.Backoff{First: firstRetry, Most: maxRetry}); ; {
		_, err := lp.client.PublishBatch(sending, lp.feed, drafts, key)
		if err == nil {
			break
		}
		keyless := lp.items > 0 && refusesKey(err)
		if lp.strict || !keyless && !mayPass(err) {
			return err
		}
		lp.losses.tell(fmt.Sprintf("publishing again: %v", err))
		select {
		case <-time.After(wait.Next(0)):
		case <-sending.Done():
			return err
		}
		if keyless {
			lp.reconnect()
		}
	}
	lp.items += len(batch)
	lp.progress.add(len(batch), size)
	return nil
}

// mayPass reports whether a refusal that the client takes for final may pass
// when a server or proxy is mended. A log must not lose lines, so the command
// waits for that.
func mayPass(err error) bool {
	var refused *client.Error
	return errors.As(err, &refused) && !refused.Temporary() && (refused.Status >= 500 || refused.Status == http.StatusRequestTimeout)
}

// refusesKey reports whether a server refuses the key. If it took the key
// before, the key is being changed, on one side first.
func refusesKey(err error) bool {
	var refused *client.Error
	return errors.As(err, &refused) && (refused.Status == http.StatusUnauthorized || refused.Status == http.StatusForbidden)
}

// reconnect reads the key again. While that fails, the old key stays.
func (lp *linePublisher) reconnect() {
	c, err := lp.connect()
	if err != nil {
		lp.losses.tell(fmt.Sprintf("the key cannot be read again: %v", err))
		return
	}
	lp.client.Close()
	lp.client = c
}

func count(items int) string {
	if items == 1 {
		return "1 item was published"
	}
	return fmt.Sprintf("%d items were published", items)
}

func summary(items int, took time.Duration) string {
	noun := "items"
	if items == 1 {
		noun = "item"
	}
	rate := float64(items) / max(took.Seconds(), 0.001)
	return fmt.Sprintf("published %d %s in %.1f s (%.0f/s)", items, noun, took.Seconds(), rate)
}

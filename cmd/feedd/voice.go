package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"feedd/internal/clip"
	"feedd/internal/config"
	"feedd/internal/logqueue"
)

// lastWords is how long a server that ends waits for the reader of its log. A
// reader that reads at all takes the whole queue in far less time, and a
// service manager can wait a second longer for the end.
const lastWords = time.Second

// voice is all that a server says: its log on standard error, and the welcome
// on standard output. Nothing in the server waits for a reader of these.
type voice struct {
	logger   *slog.Logger
	level    slog.LevelVar
	json     bool // nothing but JSON goes out
	terminal bool // standard output is one

	out, err *logqueue.Queue
}

// newVoice begins a voice as the settings say. It has goroutines until close.
func newVoice(cfg *config.Config, stdout, stderr io.Writer) *voice {
	v := &voice{json: cfg.Log.Format == config.JSON, terminal: isTerminal(stdout)}
	v.level.Set(cfg.Log.Level.Slog())
	most := int(cfg.Log.MaxQueueBytes)
	v.out = logqueue.New(stdout, most, nil)
	v.err = logqueue.New(stderr, most, v.dropped)
	v.logger = slog.New(v.handler(v.err))
	return v
}

func (v *voice) handler(w io.Writer) slog.Handler {
	opts := &slog.HandlerOptions{Level: &v.level, ReplaceAttr: clip.Attr}
	if v.json {
		return slog.NewJSONHandler(w, opts)
	}
	return slog.NewTextHandler(w, opts)
}

// dropped returns the line that says how many lines were dropped. It is written
// at any level.
func (v *voice) dropped(lines uint64) []byte {
	var b bytes.Buffer
	noun := "lines were"
	if lines == 1 {
		noun = "line was"
	}
	r := slog.NewRecord(time.Now(), slog.LevelWarn, fmt.Sprintf("%d log %s dropped, because they could not be written", lines, noun), 0)
	v.handler(&b).Handle(context.Background(), r)
	return b.Bytes()
}

// welcome says something to the person that started the server, unless only JSON goes
// out.
func (v *voice) welcome(text string) {
	if !v.json {
		io.WriteString(v.out, text)
	}
}

// fail says why the server ends.
func (v *voice) fail(err error) {
	if v.json {
		v.logger.Error("feedd ends", "err", err)
		return
	}
	io.WriteString(v.err, complaint(err))
}

// close waits a moment until everything is said.
func (v *voice) close() {
	end := time.Now().Add(lastWords)
	v.err.Close(lastWords)
	v.out.Close(time.Until(end))
}

// metrics are for GET /metrics.
func (v *voice) metrics() []prometheus.Collector {
	return []prometheus.Collector{
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "feedd_log_dropped_total", Help: "Log lines dropped: log.max_queue_bytes waited to be read, or they could not be written.",
		}, func() float64 { return float64(v.err.Dropped()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "feedd_log_queue_bytes", Help: "Bytes of the log that wait to be read.",
		}, func() float64 { return float64(v.err.Bytes()) }),
	}
}

// complaint returns the text of an error that ends a command.
func complaint(err error) string {
	var b strings.Builder
	for line := range strings.Lines(err.Error()) {
		b.WriteString("feedd: " + strings.TrimSuffix(line, "\n") + "\n")
	}
	return b.String()
}

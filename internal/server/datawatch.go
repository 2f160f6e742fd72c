package server

import (
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"feedd/internal/stream"
)

// watchEvery is how often the data directory is looked at. A commit looks by
// itself; the watch is for lines of the logger, and for files that no commit
// needs, and a second is soon enough for both.
const watchEvery = time.Second

// dataWatch looks after a data directory while a server runs: it says when the
// store is not in its place any more and when it is again, and it makes again
// what was removed and can be made.
type dataWatch struct {
	dir     *dataDir
	inPlace func() error       // of the store
	serve   func(net.Listener) // serves a new admin socket
	logger  *slog.Logger

	detached bool
	keyTold  bool // that admin.key is not the key in use
	sockTold bool // that there is no socket
}

// start looks once, and then each second until stop is called.
func (w *dataWatch) start() (stop func()) {
	w.look()
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				w.look()
			case <-ended:
				return
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(ended)
		<-done
	})
}

func (w *dataWatch) look() {
	if w.dir.lock.inPlace() == nil { // else the directory at this path is not the one that is locked
		w.keep()
	}
	switch err := w.inPlace(); {
	case err != nil && !w.detached:
		w.detached = true
		w.logger.Error("publishes are refused, because the next start would not find them; put the files back under their names, or start feedd again", "data", w.dir.path, "err", err)
	case err == nil && w.detached:
		w.detached = false
		w.logger.Warn("the store is in its place again, and publishes are taken", "data", w.dir.path)
	}
}

// keep makes again what was removed.
func (w *dataWatch) keep() {
	if w.dir.lock.keep() {
		w.logger.Warn("the lock file was removed or could not be written, and is there again", "file", w.dir.file("lock"))
	}
	if w.dir.socketGone() {
		socket, err := w.dir.listenAdmin()
		if err != nil && !w.sockTold {
			w.logger.Warn("there is no admin socket", "err", err)
		}
		if w.sockTold = err != nil; err == nil {
			w.serve(socket)
		}
	}
	changed := w.dir.keyChanged()
	if changed && !w.keyTold {
		w.logger.Warn("the admin key was changed or removed; the one that was read is in use until feedd starts again", "file", w.dir.file("admin.key"))
	}
	w.keyTold = changed
}

// placeOf returns a function that says whether the next start finds what an
// engine stores.
func placeOf(engine stream.Engine) func() error {
	if e, ok := engine.(interface{ InPlace() error }); ok {
		return e.InPlace
	}
	return func() error { return nil }
}

// detachedGauge shows an operator whether the store is in its place.
func detachedGauge(inPlace func() error) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "feedd_store_detached", Help: "1 while publishes are refused because the next start would open other files than the open ones.",
	}, func() float64 {
		if inPlace() != nil {
			return 1
		}
		return 0
	})
}

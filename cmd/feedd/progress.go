package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows how far a publish of lines is. Without a terminal it does
// nothing.
type progress struct {
	bar     *progressbar.ProgressBar // nil: nothing is shown
	inBytes bool                     // the size of the input is known
}

// newProgress makes the bar, unless stderr is no terminal, or the input is one:
// there the bar would run into what is being typed.
func newProgress(stderr io.Writer, in io.Reader) *progress {
	if !isTerminal(stderr) || isTerminal(in) {
		return &progress{}
	}
	common := []progressbar.Option{
		progressbar.OptionSetWriter(stderr),
		progressbar.OptionThrottle(100 * time.Millisecond), // to an eye that is all the time
		// Without it the library has a goroutine that turns the spinner.
		progressbar.OptionSetSpinnerChangeInterval(0),
		progressbar.OptionSetDescription("publishing"),
		progressbar.OptionUseANSICodes(true),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionShowCount(),
	}
	if size := fileSize(in); size > 0 {
		opts := append(common, progressbar.OptionShowBytes(true), progressbar.OptionUseIECUnits(true))
		return &progress{bar: progressbar.NewOptions64(size, opts...), inBytes: true}
	}
	opts := append(common, progressbar.OptionShowIts(), progressbar.OptionSetItsString("items"))
	return &progress{bar: progressbar.NewOptions64(-1, opts...)}
}

// fileSize returns the size of a regular file, else 0.
func fileSize(in io.Reader) int64 {
	f, ok := in.(*os.File)
	if !ok {
		return 0
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	return info.Size()
}

func (p *progress) add(items, bytes int) {
	switch {
	case p.bar == nil:
	case p.inBytes:
		p.bar.Add(bytes)
	default:
		p.bar.Add(items)
	}
}

// clear takes the bar off the terminal, until the next add.
func (p *progress) clear() {
	if p.bar != nil {
		p.bar.Clear()
	}
}

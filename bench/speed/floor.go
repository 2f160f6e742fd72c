package main

import (
	"os"
	"time"
)

// plainFile is what durable publishing is compared with: a file on the same
// disk that grows by the same bytes, each made durable before the next.
type plainFile struct{ f *os.File }

func (b *bench) plainFile() (*plainFile, error) {
	f, err := os.OpenFile(b.path("plain"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	return &plainFile{f}, err
}

func (p *plainFile) close() { p.f.Close() }

// append returns how long it took until the bytes were on the disk.
func (p *plainFile) append(data []byte) (time.Duration, error) {
	begin := time.Now()
	if _, err := p.f.Write(data); err != nil {
		return 0, err
	}
	if err := syncData(p.f); err != nil {
		return 0, err
	}
	return time.Since(begin), nil
}

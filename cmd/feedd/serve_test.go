package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"feedd/internal/config"
)

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// A service manager may send SIGHUP right behind SIGTERM. The settings are not
// read again then, nor is the admin key made anew.
func TestServe_AStopReadsNothingAgain(t *testing.T) {
	cfg := config.Default()
	cfg.Listen, cfg.Data, cfg.Store = "127.0.0.1:0", filepath.Join(t.TempDir(), "data"), config.Memory
	cfg.AdminKey = "the-key"
	var log lockedBuffer
	v := newVoice(&cfg, new(lockedBuffer), &log)
	defer v.close()
	ctx, cancel := context.WithCancel(t.Context())
	signals := make(chan os.Signal)
	ended := make(chan error, 1)
	go func() {
		ended <- serve(ctx, &cfg, v, signals, reloads{load: func() (config.Config, error) { return cfg, nil }})
	}()
	await := func(what string) []string {
		t.Helper()
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if found := regexp.MustCompile(what).FindStringSubmatch(log.String()); found != nil {
				return found
			}
		}
		t.Fatalf("there is no %s in\n%s", what, log.String())
		return nil
	}
	address := await(`msg=serving address=(\S+)`)[1]
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// The stop waits for it.
	fmt.Fprint(conn, "POST /feeds/main HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer the-key\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatal(line, err)
	}
	cancel()
	await(`msg=stopping`)
	select {
	case signals <- syscall.SIGHUP:
	case err := <-ended:
		t.Fatalf("it did not wait for the publish: %v", err)
	}
	conn.Close()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if strings.Contains(log.String(), "read again") {
		t.Errorf("the log says\n%s", log.String())
	}
}

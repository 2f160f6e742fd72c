package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"feedd/bench/measure"
)

// server is one of those that are compared.
type server struct {
	name  string // in flags and in JSON
	title string
	about string
	role  role
	start func(b *bench, ctx context.Context, dir string, env []string) (*process, error)
}

type role int

const (
	floor role = iota // the least that is possible, on this kernel
	ours
	peer
)

// servers are all of them, in the order in which they have their turns and are
// shown.
var servers = []server{
	{"floor", "floor", "the bare loop of write(2) over the same sockets, on one thread (bench/peers/floor); no server, but what the kernel takes", floor, startFloor},
	{"feedd-memory", "feedd, memory", "`feedd serve --store memory`", ours, feeddWith("memory")},
	{"feedd-sqlite", "feedd, sqlite", "`feedd serve`, each item fsynced before it is sent", ours, feeddWith("sqlite")},
	{"nchan-1", "nchan, 1 worker", "nginx with nchan, buffer in memory, one worker", peer, nchanWith(1)},
	{"nchan-2", "nchan, 2 workers", "the same, two workers", peer, nchanWith(2)},
	{"node", "node", "Node's http module and a Set of responses (bench/peers/node)", peer, startNode},
	{"r3labs", "r3labs/sse", "the server of github.com/r3labs/sse/v2, without replay (bench/peers/r3labs)", peer, startR3labs},
	{"goroutines", "goroutines", "net/http, a goroutine and a channel for each subscriber (bench/peers/goroutines)", peer, startGoroutines},
}

func serverNames() []string {
	var names []string
	for _, s := range servers {
		names = append(names, s.name)
	}
	return names
}

// titleOf returns how a server is called in tables.
func titleOf(name string) string {
	for _, s := range servers {
		if s.name == name {
			return s.title
		}
	}
	return name
}

// ofRole returns the servers of the roles that were chosen.
func (b *bench) ofRole(roles ...role) (list []server) {
	for _, s := range servers {
		for _, r := range roles {
			if s.role == r && measure.Wanted(b.servers, s.name) {
				list = append(list, s)
			}
		}
	}
	return list
}

// feedd returns the feedds of these names that were chosen.
func (b *bench) feedd(names ...string) (list []server) {
	for _, s := range b.ofRole(ours) {
		for _, name := range names {
			if s.name == name {
				list = append(list, s)
			}
		}
	}
	return list
}

// adminKey is the key of all feedds. They live on loopback and in a directory
// of their own, for seconds.
const adminKey = "feedd_compare"

func feeddWith(store string) func(*bench, context.Context, string, []string) (*process, error) {
	return func(b *bench, ctx context.Context, dir string, env []string) (*process, error) {
		p, err := start(ctx, dir, append(env, "FEEDD_ADMIN_KEY="+adminKey), b.tools.feedd,
			"serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(dir, "data"), "--store", store)
		if err != nil {
			return nil, err
		}
		p.sub = []string{"--server", p.Base}
		return p, nil
	}
}

func startFloor(b *bench, ctx context.Context, dir string, _ []string) (*process, error) {
	return b.startPeer(ctx, dir, "/", "/", filepath.Join(b.tools.peers, "floor"))
}

func startGoroutines(b *bench, ctx context.Context, dir string, _ []string) (*process, error) {
	return b.startPeer(ctx, dir, "/sub/{feed}", "/pub/{feed}", filepath.Join(b.tools.peers, "goroutines"))
}

func startR3labs(b *bench, ctx context.Context, dir string, _ []string) (*process, error) {
	return b.startPeer(ctx, dir, "/?stream={feed}", "/?stream={feed}", filepath.Join(b.tools.peers, "r3labs"))
}

func startNode(b *bench, ctx context.Context, dir string, _ []string) (*process, error) {
	return b.startPeer(ctx, dir, "/sub/{feed}", "/pub/{feed}", "node", filepath.Join(b.root, "bench", "peers", "node", "server.mjs"))
}

func (b *bench) startPeer(ctx context.Context, dir, sub, pub, program string, args ...string) (*process, error) {
	p, err := start(ctx, dir, nil, program, args...)
	if err != nil {
		return nil, err
	}
	p.sub, p.pub = []string{"--url", p.Base + sub}, []string{"--publish-url", p.Base + pub}
	return p, nil
}

// nchanModule is where Debian has it.
const nchanModule = "/usr/lib/nginx/modules/ngx_nchan_module.so"

func nchanWith(workers int) func(*bench, context.Context, string, []string) (*process, error) {
	return func(b *bench, ctx context.Context, dir string, _ []string) (*process, error) {
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		if err := b.configureNchan(dir, address, workers); err != nil {
			return nil, err
		}
		args := []string{"-p", dir, "-c", "nginx.conf", "-e", "stderr"}
		if os.Getuid() == 0 {
			// Else the workers are another user's, and cannot enter the directory.
			args = append(args, "-g", "user root;")
		}
		p, err := startQuiet(ctx, dir, "http://"+address, workers, b.tools.nginx, args...)
		if err != nil {
			return nil, err
		}
		p.sub, p.pub = []string{"--url", p.Base + "/sub/{feed}"}, []string{"--publish-url", p.Base + "/pub/{feed}"}
		return p, nil
	}
}

// configureNchan fills in bench/peers/nchan/nginx.conf.
func (b *bench) configureNchan(dir, address string, workers int) error {
	text, err := os.ReadFile(filepath.Join(b.root, "bench", "peers", "nchan", "nginx.conf"))
	if err != nil {
		return err
	}
	reuse := ""
	if workers > 1 {
		reuse = "reuseport"
	}
	files := uint64(65_536)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil {
		files = min(files, limit.Max)
	}
	conf := strings.NewReplacer(
		"%WORKERS%", fmt.Sprint(workers), "%FILES%", fmt.Sprint(files), "%MODULE%", nchanModule,
		"%LISTEN%", address, "%REUSEPORT%", reuse,
	).Replace(string(text))
	return os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf), 0o644)
}

// freeAddress returns an address of the loopback that no program listens on, for a
// server that cannot choose by itself.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

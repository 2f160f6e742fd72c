package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxSocketPath is how long the path of a unix socket may be (unix(7)).
const maxSocketPath = 107

// dataDir is the directory of a server's data, held by this process alone.
type dataDir struct {
	path string
	lock *os.File
}

// openDataDir makes the directory where there is none, and takes its lock. A
// lock is gone with its process, however that ends.
func openDataDir(path string) (*dataDir, error) {
	made, err := makeDir(path)
	if err != nil {
		return nil, fmt.Errorf("the data directory: %w", err)
	}
	if made {
		// Without this a power loss could take the whole directory.
		if err := syncDir(filepath.Dir(filepath.Clean(path))); err != nil {
			return nil, fmt.Errorf("the data directory: %w", err)
		}
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the data directory %s cannot be written: %w", path, err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(lock.Name())
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("the data directory %s is in use by another feedd (process %s)", path, strings.TrimSpace(string(holder)))
		}
		return nil, fmt.Errorf("lock the data directory %s: %w", path, err)
	}
	// Only for the message above.
	if err := lock.Truncate(0); err == nil {
		fmt.Fprintln(lock, os.Getpid())
	}
	return &dataDir{path: path, lock: lock}, nil
}

func makeDir(path string) (made bool, err error) {
	if _, err := os.Stat(path); err == nil {
		return false, nil
	}
	return true, os.MkdirAll(path, 0o700)
}

func (d *dataDir) file(name string) string { return filepath.Join(d.path, name) }

// close gives the lock back.
func (d *dataDir) close() error { return d.lock.Close() }

// adminKey returns the key in admin.key, which is made where there is none.
func (d *dataDir) adminKey(log *slog.Logger) (string, error) {
	name := d.file("admin.key")
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return d.makeAdminKey(name)
	}
	if err != nil {
		return "", fmt.Errorf("the admin key: %w", err)
	}
	key := strings.TrimSpace(string(b))
	if key == "" {
		return "", fmt.Errorf("the admin key: %s is empty; remove it, and a new key is made", name)
	}
	if info, err := os.Stat(name); err == nil && info.Mode().Perm()&0o077 != 0 {
		log.Warn("others than its owner may read the admin key", "file", name, "mode", info.Mode().Perm().String())
	}
	return key, nil
}

func (d *dataDir) makeAdminKey(name string) (string, error) {
	var random [32]byte
	rand.Read(random[:])
	key := "feedd_" + base64.RawURLEncoding.EncodeToString(random[:])
	if err := replaceFile(name, []byte(key+"\n")); err != nil {
		return "", fmt.Errorf("make the admin key: %w", err)
	}
	return key, nil
}

// sessionFile is the file of the data directory that holds the digests of
// sessions. It is a name.
type sessionFile string

// Load implements auth.SessionStore.
func (f sessionFile) Load() ([]byte, error) {
	b, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// Save implements auth.SessionStore.
func (f sessionFile) Save(b []byte) error { return replaceFile(string(f), b) }

// replaceFile writes a file that only its owner may read beside its place and
// moves it there, so that it is never half there.
func replaceFile(name string, content []byte) error {
	dir := filepath.Dir(name)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(name)+"-") // mode 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(content)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		os.Remove(tmp.Name())
		return err
	}
	return syncDir(dir)
}

// listenAdmin listens on admin.sock, which only the owner can reach.
func (d *dataDir) listenAdmin() (net.Listener, error) {
	name := d.file("admin.sock")
	if len(name) > maxSocketPath {
		return nil, fmt.Errorf("the path of a socket has at most %d bytes, and %s has more: use a shorter --data", maxSocketPath, name)
	}
	// One that is left over is nobody's: this process has the lock.
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	// The socket must not be reachable by others for even a moment.
	old := syscall.Umask(0o177)
	defer syscall.Umask(old)
	return net.Listen("unix", name)
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

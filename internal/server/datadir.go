package server

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
	"sync/atomic"
	"syscall"
)

// maxSocketPath is how long the path of a unix socket may be: sun_path has 108
// bytes with the zero at its end (unix(7)).
const maxSocketPath = 107

// dataDir is the directory of a server's data, held by this process alone.
type dataDir struct {
	path string
	lock *dirLock

	// key is admin.key as it was read or made, nil for neither.
	key atomic.Pointer[fs.FileInfo]
	// socket is admin.sock, nil for none yet. For the dataWatch alone.
	socket   *net.UnixListener
	socketIs fs.FileInfo
}

// openDataDir makes the directory if there is none, and takes its lock. The
// lock is gone with its process, however that ends. A directory that holds a
// store and cannot be written is opened all the same, because the store can be
// read.
func openDataDir(path string, logger *slog.Logger) (*dataDir, error) {
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
	d := &dataDir{path: path}
	if d.lock, err = lockDir(path, d.holdsStore(), logger); err != nil {
		return nil, err
	}
	return d, nil
}

// holdsStore reports whether a store was made here.
func (d *dataDir) holdsStore() bool {
	_, err := os.Stat(d.file("feedd.db"))
	return err == nil
}

func makeDir(path string) (made bool, err error) {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return false, fmt.Errorf("%s is no directory", path)
	} else if err == nil {
		return false, nil
	}
	if target, err := os.Readlink(path); err == nil {
		return false, fmt.Errorf("%s is a link to %s, which is not there", path, target)
	}
	return true, os.MkdirAll(path, 0o700)
}

func (d *dataDir) file(name string) string { return filepath.Join(d.path, name) }

// close removes the socket if it is still that of this process, and gives the
// lock back.
func (d *dataDir) close() error {
	if d.socket != nil && !d.socketGone() {
		os.Remove(d.file("admin.sock"))
	}
	return d.lock.close()
}

// errKeyNotKept says that a key was made and could not be written down.
var errKeyNotKept = errors.New("it cannot be written")

// adminKey returns the key in admin.key, which it makes if there is none. With
// errKeyNotKept it returns a new key that stands in no file, so no client can
// have it.
func (d *dataDir) adminKey(logger *slog.Logger) (string, error) {
	name := d.file("admin.key")
	defer d.noteKey()
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
		logger.Warn("others than its owner may read the admin key", "file", name, "mode", info.Mode().Perm().String())
	}
	return key, nil
}

// adminKeyAtStart returns the admin key. If no key can be written, a store is
// served without one.
func (d *dataDir) adminKeyAtStart(logger *slog.Logger) (string, error) {
	key, err := d.adminKey(logger)
	if errors.Is(err, errKeyNotKept) && d.holdsStore() {
		logger.Warn("there is no admin key and none can be written, so nobody has one: without it the store can only be read", "err", err)
		return key, nil
	}
	return key, err
}

// makeAdminKey returns a new key, and an error if it could not be written.
func (d *dataDir) makeAdminKey(name string) (string, error) {
	var random [32]byte
	rand.Read(random[:])
	key := "feedd_" + base64.RawURLEncoding.EncodeToString(random[:])
	if err := replaceFile(name, []byte(key+"\n")); err != nil {
		return key, fmt.Errorf("make the admin key: %w: %w", errKeyNotKept, err)
	}
	return key, nil
}

// noteKey notes which file the key in use comes from.
func (d *dataDir) noteKey() {
	if info, err := os.Stat(d.file("admin.key")); err == nil {
		d.key.Store(&info)
	}
}

// keyChanged reports whether admin.key is no longer what was read. It is false
// if the key is from elsewhere.
func (d *dataDir) keyChanged() bool {
	was := d.key.Load()
	if was == nil {
		return false
	}
	is, err := os.Stat(d.file("admin.key"))
	return err != nil || !os.SameFile(is, *was) || !is.ModTime().Equal((*was).ModTime())
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

// replaceFile writes a file that only its owner may read. It writes it beside
// its place and then moves it there, so that it is never half there.
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

// listenAdmin listens on admin.sock, which only the owner can reach. A listener
// that it replaces is closed.
func (d *dataDir) listenAdmin() (net.Listener, error) {
	name := d.file("admin.sock")
	if len(name) > maxSocketPath {
		return nil, fmt.Errorf("the path of a socket has at most %d bytes, and %s has more: use a shorter --data", maxSocketPath, name)
	}
	// A socket that is left over has no server, because this process has the lock.
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	// The socket must not be reachable by others for even a moment.
	old := syscall.Umask(0o177)
	defer syscall.Umask(old)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // by then the name may belong to another server's socket
	info, err := os.Stat(name)
	if err != nil {
		l.Close()
		return nil, err
	}
	if d.socket != nil {
		d.socket.Close()
	}
	d.socket, d.socketIs = l, info
	return l, nil
}

// socketGone reports whether admin.sock is not the socket that this process
// listens on.
func (d *dataDir) socketGone() bool {
	info, err := os.Stat(d.file("admin.sock"))
	return d.socket == nil || err != nil || !os.SameFile(info, d.socketIs)
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

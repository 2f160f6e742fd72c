package server

import (
	"os"
	"os/exec"
	"sync"
)

func mount(dir, options string) error {
	return exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).Run()
}

func unmount(dir string) { exec.Command("umount", "-l", dir).Run() }

// mayMount reports whether disks can be mounted here: root in a container
// often may not.
var mayMount = sync.OnceValue(func() bool {
	dir, err := os.MkdirTemp("", "feedd-mount-")
	if err != nil {
		return false
	}
	defer os.Remove(dir)
	if mount(dir, "size=1m") != nil {
		return false
	}
	unmount(dir)
	return true
})

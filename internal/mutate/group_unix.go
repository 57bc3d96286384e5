//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// endTogether lets the tests end with the go command that started them.
func endTogether(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
}

package cli

import (
	"io"

	"github.com/spf13/cobra"
)

// Root is the command tree.
func Root() *cobra.Command {
	return newRoot(&shell{stdout: io.Discard, stderr: io.Discard, canvas: io.Discard, progress: io.Discard})
}

// ExitCode and Complaints are what becomes of an error.
var (
	ExitCode   = exitCode
	Complaints = complaints
	Clean      = clean
	Callable   = callable
)

// StepsAfterRestore are what restore prints.
func StepsAfterRestore() []string { return stepsAfterRestore() }

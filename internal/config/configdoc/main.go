// Command configdoc writes docs/configuration.md from the table of keys:
//
//	go generate ./internal/config
package main

import (
	"fmt"
	"os"

	"github.com/mintmark-auth/mintmark/internal/config"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "configdoc:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("got %d arguments, want the path of the page to write", len(args))
	}
	return os.WriteFile(args[0], []byte(config.Markdown()), 0o644) //nolint:gosec // a page for all to read
}

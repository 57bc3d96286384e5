package cli

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
)

// maxPage is the most rows that a store gives at once.
const maxPage = 1000

// page is the stretch of a listing that was asked for.
type page struct {
	limit int
	after string
}

func (p *page) register(cmd *cobra.Command) {
	cmd.Flags().IntVar(&p.limit, "limit", 50, "maximum number of `rows`, up to 1000")
	cmd.Flags().StringVar(&p.after, "after", "", "continue after the row with this `id`")
}

func (p *page) check() error {
	if p.limit < 1 || p.limit > maxPage {
		return usagef("--limit %d is out of range; give a number from 1 to %d", p.limit, maxPage)
	}
	if p.after != "" && uuid.Validate(p.after) != nil { // otherwise the database would report it, in its own words
		return usagef("--after %q is not an id; give one from the listing", p.after)
	}
	return nil
}

// printNext says how to see more with the same command, if there may be more.
func (s *shell) printNext(command string, p page, rows int, last string) {
	if rows == p.limit && s.output == formatTable {
		fmt.Fprintf(s.stderr, "there may be more: %s --limit %d --after %s\n", command, p.limit, last)
	}
}

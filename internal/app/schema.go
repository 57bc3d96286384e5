package app

import (
	"context"

	"github.com/mintmark-auth/mintmark/db"
)

// checkSchema refuses a schema that does not serve this binary. One that does, though a migration
// has not ended, keeps no replica down.
func (a *App) checkSchema(ctx context.Context, schema *db.Database) error {
	status, err := schema.Status(ctx)
	if err != nil {
		return err
	}
	if err := status.Verdict(); err != nil {
		return err
	}
	if unended := status.Unended(); unended != "" {
		a.log.Warn("the database schema serves this binary, but is to be seen to", "found", unended)
	}
	return nil
}

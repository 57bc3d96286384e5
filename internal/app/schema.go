package app

import (
	"context"
)

// checkSchema refuses a schema that does not serve this binary. One that does, though a migration
// has not ended, keeps no replica down.
func (a *App) checkSchema(ctx context.Context) error {
	schema, err := Schema(a.cfg)
	if err != nil {
		return err
	}
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

package operator

import (
	"context"

	"github.com/mintmark-auth/mintmark/internal/audit"
)

// ListEvents lists the events that the query selects, newest first.
func (o *Operator) ListEvents(ctx context.Context, query audit.Query) ([]audit.Event, error) {
	return o.Events.Events(ctx, query)
}

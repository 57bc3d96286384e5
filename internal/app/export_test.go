package app

import (
	"context"
	"log/slog"
	"net"

	"github.com/mintmark-auth/mintmark/internal/config"
)

// OpenAndClose does what Open does where something can't be opened, and gives the
// listeners that were open meanwhile; nil for one that was not.
func OpenAndClose(ctx context.Context, cfg config.Config, log *slog.Logger) (public, operations net.Listener) {
	a := newApp(cfg, log)
	_ = a.open(ctx)
	_ = a.Close()
	return a.public, a.operations
}

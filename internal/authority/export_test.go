package authority

import (
	"time"

	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/token"
)

// Claims are those of an access token of a grant.
func (a *Authority) Claims(g session.Grant, now time.Time) token.Claims { return a.claims(g, now) }

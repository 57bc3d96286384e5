package cli

import (
	"fmt"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
)

// refusedLogin tells of a refused login, or of how many there were.
func refusedLogin(e audit.Event) string {
	at, whose := e.At.Format(time.RFC3339), "nobody has the name that was given"
	if e.UserID != "" {
		whose = fmt.Sprintf("the account is %s, see `mintmark users show --id %s`", e.UserID, e.UserID)
	}
	if e.Detail["count"] == "" {
		return fmt.Sprintf("%s: a login was refused, from %s; %s. What was typed is not on record.", at, e.Address, whose)
	}
	if e.Detail["network"] == "others" {
		whose = "they were at more accounts and from more networks than are told apart"
	}
	return fmt.Sprintf("%s: the request may be one of %s logins that were refused in the hour from %s, from %s (requests %s to %s); %s.",
		at, e.Detail["count"], e.Detail["since"], e.Detail["network"], e.Detail["first"], e.Detail["last"], whose)
}

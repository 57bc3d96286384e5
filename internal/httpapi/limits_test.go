package httpapi

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/ratelimit"
	"github.com/mintmark-auth/mintmark/internal/store/memory"
)

// TestAConfidentialClientHasOneBudgetWhereverItCallsFrom: nobody else can spend it. A public one has one for each address.
func TestAConfidentialClientHasOneBudgetWhereverItCallsFrom(t *testing.T) {
	t.Parallel()
	for kind, limited := range map[client.Kind]bool{client.Confidential: true, client.Public: false} {
		s := &Server{Config: Config{
			LocalLimits: memory.NewLimits(time.Now, 100), Rates: Rates{Token: ratelimit.Rate{Limit: 1, Per: time.Hour}},
		}}
		spend := func(id, from string) bool {
			t.Helper()
			c, _ := gin.CreateTestContext(httptest.NewRecorder())
			c.Request = httptest.NewRequestWithContext(t.Context(), "POST", "/oauth/token", nil)
			c.Request.RemoteAddr = from
			return s.spendClient(c, client.Client{ID: id, Kind: kind}) == nil
		}
		if !spend("a", "192.0.2.1:1") || spend("a", "192.0.2.1:2") || !spend("b", "192.0.2.1:1") {
			t.Errorf("%s: one try each is not one try each", kind)
		}
		if got := !spend("a", "192.0.2.2:1"); got != limited {
			t.Errorf("%s, from another address: limited %v, want %v", kind, got, limited)
		}
	}
}

package httpapi

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/ratelimit"
	"github.com/mintmark-auth/mintmark/internal/store/memory"
)

// calling is a client that calls from somewhere.
type calling struct {
	client client.Client
	from   authority.Origin
}

func (calling) Refused() error             { return nil }
func (c calling) Client() client.Client    { return c.client }
func (c calling) Origin() authority.Origin { return c.from }

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
			return perClient[calling](s)(c, calling{client.Client{ID: id, Kind: kind}, s.origin(c)}) == nil
		}
		if !spend("a", "192.0.2.1:1") || spend("a", "192.0.2.1:2") || !spend("b", "192.0.2.1:1") {
			t.Errorf("%s: one try each is not one try each", kind)
		}
		if got := !spend("a", "192.0.2.2:1"); got != limited {
			t.Errorf("%s, from another address: limited %v, want %v", kind, got, limited)
		}
	}
}

// TestTheUserAgentIsCutWhereTheStoresCutIt, or a repeat from home would look like one from elsewhere.
func TestTheUserAgentIsCutWhereTheStoresCutIt(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		strings.Repeat("b", 256):        strings.Repeat("b", 256),
		strings.Repeat("b", 257):        strings.Repeat("b", 256),
		strings.Repeat("a", 254) + "€€": strings.Repeat("a", 254),
		"a\xffb":                        "a?b",
	} {
		c, _ := gin.CreateTestContext(httptest.NewRecorder())
		c.Request = httptest.NewRequestWithContext(t.Context(), "POST", "/", nil)
		c.Request.Header.Set("User-Agent", sent)
		c.Request.RemoteAddr = "[2001:db8::7]:1"
		got := (&Server{}).origin(c)
		if got.UserAgent != want || got.Address != "2001:db8::7" || got.Subscriber != "2001:db8::/64" {
			t.Errorf("%q: %+v, want %q", sent, got, want)
		}
	}
}

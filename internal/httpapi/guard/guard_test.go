package guard_test

import (
	"errors"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/httpapi/guard"
)

type somebody struct{ refused error }

func (s somebody) Refused() error { return s.refused }

// TestAHandlerRunsBehindItsGuardAndItsLimit, in that order, and whatever one of them
// refuses reaches nothing after it.
func TestAHandlerRunsBehindItsGuardAndItsLimit(t *testing.T) {
	t.Parallel()
	no := errors.New("no")
	for name, c := range map[string]struct {
		guarded, caller, limited error
		want                     []string
	}{
		"admitted":           {nil, nil, nil, []string{"guard", "limit", "handler"}},
		"refused":            {no, nil, nil, []string{"guard"}},
		"admitted as nobody": {nil, no, nil, []string{"guard"}},
		"out of tries":       {nil, nil, no, []string{"guard", "limit"}},
	} {
		var order []string
		h := guard.Admit(
			func(*gin.Context) (somebody, error) {
				order = append(order, "guard")
				return somebody{c.caller}, c.guarded
			},
			func(*gin.Context, somebody) error { order = append(order, "limit"); return c.limited },
			func(*gin.Context, somebody) error { order = append(order, "handler"); return nil })
		ctx, _ := gin.CreateTestContext(httptest.NewRecorder())
		err := h.Serve(ctx)
		if refused := errors.Join(c.guarded, c.caller, c.limited) != nil; !slices.Equal(order, c.want) || (err != nil) != refused || h.Zero() {
			t.Errorf("%s: %v in order %v, want %v", name, err, order, c.want)
		}
	}
}

func TestNothingIsAdmittedByHalf(t *testing.T) {
	t.Parallel()
	g := func(*gin.Context) (somebody, error) { return somebody{}, nil }
	l := func(*gin.Context, somebody) error { return nil }
	for name, admit := range map[string]func(){
		"without a guard":   func() { guard.Admit(nil, l, l) },
		"without a limit":   func() { guard.Admit(g, nil, l) },
		"without a handler": func() { guard.Admit(g, l, nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: it is admitted", name)
				}
			}()
			admit()
		}()
	}
	if !(guard.Handler{}).Zero() {
		t.Error("the zero handler is not zero")
	}
}

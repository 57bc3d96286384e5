package e2e_test

import (
	"strings"
	"testing"
)

// TestTheSessionThatIsTooManyIsRefusedAndExplained by its own words, and the others go on.
func TestTheSessionThatIsTooManyIsRefusedAndExplained(t *testing.T) {
	t.Parallel()
	data := "MINTMARK_DATA_DIR=" + t.TempDir()
	a, operator := startEmbedded(t, data, "MINTMARK_SESSIONS_PER_CLIENT=2"), console{[]string{data}}
	a.register(t, testUser)
	first, second, third := a.login(t, testUser), a.login(t, testUser), a.login(t, testUser)
	if _, got := a.refresh(t, first); got.Status == 200 {
		t.Error("the session that was too many was refreshed")
	}
	for _, tokens := range []pair{second, third} {
		if _, got := a.refresh(t, tokens); got.Status != 200 {
			t.Errorf("a session within the limit: %d", got.Status)
		}
	}
	told := operator.explain(t, first.Refresh)
	if told.Session == nil || told.Session.RevokeReason != "limit" || !strings.Contains(strings.Join(told.Story, "\n"), "MINTMARK_SESSIONS_PER_CLIENT") {
		t.Errorf("explained: %+v %v", told.Session, told.Story)
	}
}

package e2e_test

import (
	"net/http"
	"net/url"
	"testing"
)

// each runs a test on an embedded authority and on one over Postgres and Redis.
func each(t *testing.T, test func(t *testing.T, a *authority), settings ...string) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(t, startEmbedded(t, settings...))
	})
	t.Run("postgres and redis", func(t *testing.T) {
		t.Parallel()
		test(t, newCluster(t).startReplica(t, settings...))
	})
}

func TestRegisterLoginRefreshLogout(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *authority) {
		a.register(t, testUser)
		first := a.login(t, testUser)
		second, got := a.refresh(t, first)
		if got.Status != http.StatusOK || second.Refresh == first.Refresh {
			t.Fatalf("refresh: %d %s", got.Status, got.Body)
		}
		got, e := a.firstParty(t, "logout", map[string]string{"accessToken": second.Access, "refreshToken": second.Refresh})
		if got.Status != http.StatusOK || e.Message != "User logged out successfully." {
			t.Fatalf("logout: %d %s", got.Status, got.Body)
		}
		if _, got := a.refresh(t, second); got.Status != http.StatusBadRequest {
			t.Errorf("refresh after logout: %d, want 400", got.Status)
		}
	})
}

func TestReplayEndsTheSession(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *authority) {
		a.register(t, testUser)
		first := a.login(t, testUser)
		second, _ := a.refresh(t, first)
		third, _ := a.refresh(t, second)
		got, body := a.refreshGrant(t, first.Refresh)
		if got.Status != http.StatusBadRequest || body["error"] != "invalid_grant" {
			t.Fatalf("replay: %d %v", got.Status, body)
		}
		if got, _ := a.refreshGrant(t, third.Refresh); got.Status != http.StatusBadRequest {
			t.Errorf("newest token after a replay: %d, want 400", got.Status)
		}
	})
}

func TestRepeatWithinGraceGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *authority) {
		a.register(t, testUser)
		first := a.login(t, testUser)
		second, _ := a.refresh(t, first)
		again, got := a.refresh(t, first)
		if got.Status != http.StatusOK || again.Refresh != second.Refresh {
			t.Errorf("repeat: %d; same successor: %v", got.Status, again.Refresh == second.Refresh)
		}
	})
}

func TestRevokeEndsTheSession(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *authority) {
		a.register(t, testUser)
		p := a.login(t, testUser)
		got, _ := a.form(t, "/oauth/revoke", url.Values{"client_id": {"first-party"}, "token": {p.Refresh}})
		if got.Status != http.StatusOK || string(got.Body) != "{}" {
			t.Fatalf("revoke: %d %s", got.Status, got.Body)
		}
		if _, got := a.refresh(t, p); got.Status != http.StatusBadRequest {
			t.Errorf("refresh after revoke: %d, want 400", got.Status)
		}
	})
}

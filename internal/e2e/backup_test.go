package e2e_test

import (
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
)

// TestABackupBesideLoginsIsServed is what the runbook says of a backup of embedded mode, made while users log in.
func TestABackupBesideLoginsIsServed(t *testing.T) {
	t.Parallel()
	live, restored, file := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "backup.tar")
	a := spawn(t, "MINTMARK_DATA_DIR="+live)
	a.register(t, testUser)
	before, ended := a.login(t, testUser), a.login(t, testUser)

	stop, stopped := make(chan struct{}), make(chan int)
	go func() {
		logins := 0
		defer func() { stopped <- logins }()
		for {
			select {
			case <-stop:
				return
			default:
				a.login(t, testUser)
				logins++
			}
		}
	}()
	command(t, ground{settings: []string{"MINTMARK_DATA_DIR=" + live}}, mintmark(t), 0, "backup", file)
	close(stop)
	if logins := <-stopped; logins == 0 {
		t.Error("nobody logged in beside the backup")
	}

	newer, got := a.refresh(t, before)
	wantStatus(t, "a refresh after the backup", got, http.StatusOK)
	a.logout(t, ended)
	young := a.login(t, testUser)
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := a.wait(t); err != nil {
		t.Fatal(err)
	}

	command(t, ground{settings: []string{"MINTMARK_DATA_DIR=" + restored}}, mintmark(t), 0, "restore", file)
	a = spawn(t, "MINTMARK_DATA_DIR="+restored)
	for what, c := range map[string]struct {
		token  string
		status int
	}{
		"a token that is newer than the backup, of an older session": {newer.Refresh, http.StatusOK},
		"a session that ended after the backup":                      {ended.Refresh, http.StatusOK},
		"a session younger than the backup":                          {young.Refresh, http.StatusBadRequest},
	} {
		if got, _ := a.refreshGrant(t, c.token); got.Status != c.status {
			t.Errorf("%s: %d %s, want %d", what, got.Status, got.Body, c.status)
		}
	}
}

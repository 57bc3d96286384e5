package e2e_test

import (
	"os"
	"syscall"
	"testing"
)

// TestTheUpgradePageIsFollowedBesideOldReplicas runs the commands of the page in their order, from the schema before the
// last migration on, and replaces the replicas where it says so. A session goes through all of it.
func TestTheUpgradePageIsFollowedBesideOldReplicas(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/upgrading.md")
	if err != nil {
		t.Fatal(err)
	}
	g := onPostgres(t)
	program := binaryBefore(t, schemaStatus(t, g.schema).Latest)
	command(t, g, program, 0, "migrate", "up")
	replicas := []*process{spawnProgram(t, program, g.settings...), spawnProgram(t, program, g.settings...)}
	replicas[0].register(t, testUser)
	kept := replicas[0].login(t, testUser)
	refreshed := func(when string) {
		t.Helper()
		for _, r := range replicas {
			next, got := r.refresh(t, kept)
			if got.Status != 200 {
				t.Fatalf("%s: %d %s", when, got.Status, got.Body)
			}
			kept = next
		}
	}
	desk := newDesk(t)
	desk.settings = append(g.settings, "MINTMARK_HTTP_ADDR=127.0.0.1:0", "MINTMARK_OPS_ADDR=127.0.0.1:0")
	steps := consoleSteps(string(page))
	if len(steps) != 5 {
		t.Fatalf("the page has %d commands, want 5", len(steps))
	}
	for _, step := range steps {
		if step.after == "with every replica replaced" {
			for i, old := range replicas {
				replicas[i] = spawn(t, g.settings...)
				if err := old.cmd.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
				if err := old.wait(t); err != nil {
					t.Errorf("an old replica ended: %v", err)
				}
				refreshed("old and new replicas")
			}
		}
		if got := desk.sh(t, step.command); !step.matches(got) {
			t.Errorf("$ %s\nprints\n%sthe page says\n%s", step.command, got, step.prints)
		}
		refreshed("after " + step.command)
	}
}

package cli_test

import (
	"os"
	"strings"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/cli"
)

func TestTheStepsAfterARestoreAreThoseOfTheRunbook(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../deploy/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## A restored backup\n")
	section, _, _ = strings.Cut(section, "\n## ")
	section = strings.Join(strings.Fields(section), " ")
	for _, step := range cli.StepsAfterRestore() {
		if !strings.Contains(section, step) {
			t.Errorf("the runbook does not say %q", step)
		}
	}
	if !strings.Contains(string(page), "\n## Back up\n") {
		t.Error("the runbook has no section that the refusal in production names")
	}
}

package e2e_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestTheRunbookIsRight runs the blocks marked console of the runbook, in their
// order, beside an embedded authority, and compares what the page says they print.
func TestTheRunbookIsRight(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../deploy/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	desk := newDesk(t)
	desk.settings = []string{"MINTMARK_KEYS_PUBLISH_AHEAD=15s", "MINTMARK_ACCESS_TOKEN_TTL=15s"} // a standby is ripe soon
	serve := spawn(t, append(desk.settings, "MINTMARK_DATA_DIR="+filepath.Join(desk.folder, "mintmark-data"))...)
	serve.register(t, "ada")
	serve.login(t, "ada")
	desk.write(t, "password.txt", "slate kettle brass morning\n")
	eventually(t, func() bool { // the standby is made after the start, and ripens
		return strings.Contains(desk.sh(t, "mintmark keys list"), " signs in ")
	})
	here := strings.NewReplacer("localhost:8080", strings.TrimPrefix(serve.Issuer, "http://"), "localhost:9090", strings.TrimPrefix(serve.Ops, "http://"))
	steps := consoleSteps(here.Replace(string(page)))
	if len(steps) < 10 {
		t.Fatalf("the page has %d commands, want more", len(steps))
	}
	for _, step := range steps {
		if step.after == "with serve stopped" {
			if err := serve.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := serve.wait(t); err != nil {
				t.Fatalf("serve ended: %v", err)
			}
		}
		got := desk.sh(t, step.command)
		if !step.matches(got) {
			t.Errorf("$ %s\nprints\n%sthe runbook says\n%s", step.command, got, step.prints)
		}
	}
}

// desk is a folder to work in, with mintmark on the PATH.
type desk struct {
	folder   string
	program  string
	settings []string // beside those that every command has
}

func newDesk(t *testing.T) desk {
	t.Helper()
	d := desk{folder: t.TempDir(), program: filepath.Join(t.TempDir(), "mintmark")}
	if err := os.Symlink(mintmark(t), d.program); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d desk) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(d.folder, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (d desk) environ() []string {
	return append([]string{"PATH=" + filepath.Dir(d.program) + ":" + os.Getenv("PATH")}, d.settings...)
}

// sh runs a line and returns what it prints, on both streams. A failure shows in the output.
func (d desk) sh(t *testing.T, line string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
	cmd.Dir, cmd.Env = d.folder, d.environ()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("$ %s: %v", line, err)
	}
	return string(out)
}

// step is a command of a page and what it is said to print.
type step struct {
	after   string // what is done first, like "with serve stopped"; "" for nothing
	command string
	prints  string
}

// consoleSteps reads the blocks marked console.
func consoleSteps(page string) []step {
	var steps []step
	inside, after := false, ""
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		switch {
		case line == "```console":
			inside = true
		case strings.HasPrefix(line, "```"):
			inside = false
		case !inside:
		case strings.HasPrefix(line, "# with "):
			after = line[2:]
		case strings.HasPrefix(line, "$ "):
			steps = append(steps, step{after: after, command: line[2:]})
			after = ""
		default:
			steps[len(steps)-1].prints += line + "\n"
		}
	}
	return steps
}

// matches compares without regard to the width of columns.
func (s step) matches(got string) bool {
	var pattern strings.Builder
	for line := range strings.Lines(s.prints) {
		if line == "…\n" {
			pattern.WriteString(`(?:.*\n)*`)
			continue
		}
		pattern.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*"))
	}
	narrow := regexp.MustCompile(` +`).ReplaceAllString(got, " ")
	return regexp.MustCompile(`^` + pattern.String() + `$`).MatchString(narrow)
}

// TestTheThreeLinesOfServeWorkAsPrinted types what serve says to try, in a shell
// that knows nothing of how serve was started.
func TestTheThreeLinesOfServeWorkAsPrinted(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string][]string{
		"as it comes":          nil,
		"registration closed":  {"MINTMARK_REGISTRATION=closed"},
		"the longest password": {"MINTMARK_PASSWORD_MIN_LENGTH=64"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			serve := exec.Command(d.program, "serve")
			serve.Env = append(lastOfEach(slices.Concat(quick(), []string{"MINTMARK_LOG_FORMAT=text"}, settings)), "MINTMARK_DATA_DIR="+filepath.Join(d.folder, "its data"))
			serve.Env = append(serve.Env, d.environ()...)
			said := &syncBuffer{}
			serve.Stdout = said
			if err := serve.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = serve.Process.Kill()
				_ = serve.Wait()
			})
			eventually(t, func() bool { return strings.Contains(said.String(), "jwks.json\n") })
			_, lines, _ := strings.Cut(said.String(), "Try it:\n\n")
			var printed bytes.Buffer
			for line := range strings.Lines(strings.TrimSpace(lines)) {
				printed.WriteString(d.sh(t, strings.TrimSpace(line)))
			}
			for _, want := range []string{"created", "User logged in successfully.", `"kid"`} {
				if !strings.Contains(printed.String(), want) {
					t.Errorf("the lines\n%sprint\n%s\nwithout %q", lines, &printed, want)
				}
			}
		})
	}
}

package private_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/private"
)

// icacls is Windows' own view of who may do what.
func icacls(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "icacls", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("icacls %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// mend runs the commands that an error names.
func mend(t *testing.T, advice string) {
	t.Helper()
	parts := strings.Split(advice, "`")
	for i := 1; i < len(parts); i += 2 {
		var args []string
		for j, word := range strings.Split(strings.TrimPrefix(parts[i], "icacls "), `"`) {
			if j%2 == 1 { // quoted
				args = append(args, word)
			} else {
				args = append(args, strings.Fields(word)...)
			}
		}
		icacls(t, args...)
	}
}

func TestNoOtherUserCanReadWhatIsMade(t *testing.T) {
	t.Parallel()
	above := t.TempDir()
	icacls(t, above, "/grant", "*S-1-1-0:(OI)(CI)R") // everybody, and whatever is made below
	folder := filepath.Join(above, "folder")
	if _, err := private.MakeFolder(folder); err != nil {
		t.Fatal(err)
	}
	inherited := filepath.Join(above, "inherited")
	if err := os.WriteFile(inherited, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := private.Guard(inherited); err != nil {
		t.Fatal(err)
	}
	made := filepath.Join(above, "made")
	if err := private.Make(made); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{folder, inherited, made} {
		if listed := icacls(t, path); strings.Contains(listed, "Everyone") {
			t.Errorf("everybody may read:\n%s", listed)
		}
	}
	for _, path := range []string{filepath.Join(folder, "secret"), filepath.Join(above, "secret")} {
		if err := private.Write(path, "text"); err != nil {
			t.Fatal(err)
		}
		if listed := icacls(t, path); strings.Contains(listed, "Everyone") {
			t.Errorf("everybody may read:\n%s", listed)
		}
		if text, err := private.Read(path); string(text) != "text" || err != nil {
			t.Errorf("%s: got %q, %v, want the text", path, text, err)
		}
	}
}

func TestAFileThatOthersHaveARightToIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret")
	if err := private.Write(path, "text"); err != nil {
		t.Fatal(err)
	}
	for _, right := range []string{"R", "W", "WDAC"} {
		icacls(t, path, "/grant:r", "*S-1-1-0:("+right+")")
		text, err := private.Read(path)
		if !errors.Is(err, private.ErrExposed) || text != nil || !strings.Contains(err.Error(), "icacls") {
			t.Errorf("%s: got %q, %v, want ErrExposed and how to mend it", right, text, err)
		}
	}
	_, err := private.Read(path)
	mend(t, err.Error())
	if text, err := private.Read(path); string(text) != "text" || err != nil {
		t.Errorf("got %q, %v, want the text", text, err)
	}
}

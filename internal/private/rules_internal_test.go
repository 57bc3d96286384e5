package private

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
)

// everyFile calls do with the facts of every mode, kind, owner, group and number of names that matter to user 7 in group 70.
func everyFile(do func(f facts)) {
	for _, kind := range []fs.FileMode{0, fs.ModeDir, fs.ModeSymlink, fs.ModeNamedPipe, fs.ModeDevice, fs.ModeSocket, fs.ModeCharDevice | fs.ModeDevice} {
		for _, sticky := range []fs.FileMode{0, fs.ModeSticky} {
			for perm := range fs.FileMode(0o1000) {
				for _, uid := range []int{7, 0, 8} {
					for _, gid := range []int{70, 80} {
						for _, links := range []int{1, 2} {
							do(facts{path: "p", mode: kind | sticky | perm, uid: uid, gid: gid, links: links})
						}
					}
				}
			}
		}
	}
}

// canWrite restates who could write: the owner, the group and the others, of whom this user, its groups and root don't count.
func canWrite(f facts, groupsToo bool) bool {
	return f.uid == 8 && f.mode&0o200 != 0 || f.mode&0o002 != 0 || f.mode&0o020 != 0 && (groupsToo || f.gid == 80)
}

func TestOnlyFilesAndFoldersOfOursThatNobodyElseWritesAreUsed(t *testing.T) {
	t.Parallel()
	me := user{uid: 7, groups: []int{70}}
	everyFile(func(f facts) {
		ours := f.uid != 8 && !canWrite(f, false)
		if err := judgeFile(f, me); (err == nil) != (ours && f.mode.IsRegular() && f.links == 1) || err != nil && !errors.Is(err, ErrForeign) {
			t.Errorf("file %+v: %v", f, err)
		}
		warning, err := judgeFolder(f, me)
		if (err == nil) != (ours && f.mode.IsDir()) || (warning != "") != (err == nil && f.mode&0o020 != 0) {
			t.Errorf("folder %+v: %q, %v", f, warning, err)
		}
		if err := judgeSecret(f); (err == nil) != (f.mode&0o077 == 0) {
			t.Errorf("secret %+v: %v", f, err)
		}
	})
}

func TestANamedFileIsRefusedIfOthersCanWriteItAndWarnedOfIfTheyCanReadIt(t *testing.T) {
	t.Parallel()
	me := user{uid: 7, groups: []int{70}}
	everyFile(func(f facts) {
		warning, err := judgeNamed(f, me)
		if !f.mode.IsRegular() {
			if err != nil || warning != nil {
				t.Errorf("%+v: %v, %v", f, warning, err)
			}
			return
		}
		readable := f.uid == 8 || f.mode&0o004 != 0 || f.mode&0o040 != 0 && f.gid == 80
		if (err != nil) != canWrite(f, true) || (warning != nil) != (err == nil && readable) {
			t.Errorf("%+v: %v, %v", f, warning, err)
		}
		if err := judgeAbove(f, me); (err != nil) != (f.uid == 8 && f.mode&0o200 != 0 || f.mode&fs.ModeSticky == 0 && canWrite(f, false)) {
			t.Errorf("above %+v: %v", f, err)
		}
	})
}

// What Kubernetes, Docker and a plain machine have is used.
func TestWhatKubernetesAndDockerMountIsUsed(t *testing.T) {
	t.Parallel()
	pod := user{uid: 65532, groups: []int{65532, 2000}}
	for name, f := range map[string]facts{
		"a secret by default": {mode: 0o644, uid: 0, gid: 0, links: 1},
		"a secret of 0440":    {mode: 0o440, uid: 0, gid: 2000, links: 1},
		"a secret of Compose": {mode: 0o444, uid: 1000, gid: 1000, links: 1},
		"a secret of Swarm":   {mode: 0o444, uid: 0, gid: 0, links: 1},
		"one's own secret":    {mode: 0o600, uid: 65532, gid: 65532, links: 1},
	} {
		f.path = "secret"
		warning, err := judgeNamed(f, pod)
		if wantWarning := f.mode&0o004 != 0; err != nil || (warning != nil) != wantWarning {
			t.Errorf("%s: %v, %v", name, warning, err)
		}
	}
	for name, f := range map[string]facts{
		"the volume of secrets":  {mode: fs.ModeDir | fs.ModeSticky | 0o777, uid: 0, gid: 2000},
		"the folder of a secret": {mode: fs.ModeDir | fs.ModeSetgid | 0o755, uid: 0, gid: 2000},
	} {
		if err := judgeAbove(f, pod); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	volume := facts{path: "data", mode: fs.ModeDir | fs.ModeSetgid | 0o775, uid: 0, gid: 2000}
	if warning, err := judgeFolder(volume, pod); err != nil || !strings.Contains(warning, "group 2000") {
		t.Errorf("a volume: %q, %v", warning, err)
	}
	if err := judgeFile(facts{path: "db", mode: 0o660, uid: 65532, gid: 2000, links: 1}, pod); err != nil {
		t.Errorf("a file after a remount: %v", err)
	}
}

func TestARefusalNamesOwnerModeAndMend(t *testing.T) {
	t.Parallel()
	_, err := judgeFolder(facts{path: "/data", mode: fs.ModeDir | fs.ModeSticky | 0o777, uid: 0, gid: 5}, user{uid: 7})
	for _, want := range []string{"/data", "owner 0", "group 5", "mode 1777", "`chmod o-w /data`"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %s", err, want)
		}
	}
	if !slices.ContainsFunc([]error{err}, func(err error) bool { return errors.Is(err, ErrForeign) }) {
		t.Errorf("got %v, want ErrForeign", err)
	}
}

package private

import (
	"errors"
	"fmt"
	"io/fs"
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
	me := user{uid: 7, groups: []int{70}}
	folder := func(f facts) error { _, err := judgeFolder(f, me); return err }
	file := func(f facts) error { return judgeFile(f, me) }
	above := func(f facts) error { return judgeAbove(f, me) }
	named := func(f facts) error {
		warning, err := judgeNamed(f, me)
		if warning != nil {
			return warning
		}
		return err
	}
	for _, c := range []struct {
		judge func(facts) error
		mode  fs.FileMode
		uid   int
		links int
		want  string // the mode, and how to mend it
	}{
		{folder, fs.ModeDir | fs.ModeSticky | 0o777, 0, 1, "mode 1777); run `chmod o-w p`"},
		{folder, fs.ModeDir | fs.ModeSetgid | 0o775, 0, 1, "mode 2775); run `chmod g-w p`"},
		{folder, fs.ModeDir | 0o700, 8, 1, "mode 0700); run this as user 8, or `chown 7 p`"},
		{folder, 0o600, 7, 1, "mode 0600); name a folder"},
		{file, fs.ModeDir | 0o700, 7, 1, "mode 0700); name a file"},
		{file, fs.ModeNamedPipe | 0o600, 7, 1, "mode 0600); look at what put it there, then `rm p`"},
		{file, fs.ModeSetuid | 0o600, 8, 1, "mode 4600); run this as user 8, or look at what is in it, then `chown 7 p`"},
		{file, 0o600, 7, 2, "mode 0600); run `cp -p p p.new && mv p.new p`"},
		{file, 0o620, 7, 1, "mode 0620); look at what is in it, then run `chmod 600 p`"},
		{judgeSecret, 0o604, 7, 1, "mode 0604); run `chmod 600 p`"},
		{named, 0o600, 8, 1, "mode 0600); run `chown 7 p`"},
		{named, 0o620, 7, 1, "mode 0620); look at what is in it, then `chmod go-w p`"},
		{named, 0o604, 7, 1, "mode 0604); run `chmod o-rwx p`"},
		{named, 0o640, 7, 1, "mode 0640); run `chmod go-rwx p`"},
		{above, fs.ModeDir | 0o700, 8, 1, "mode 0700); keep the file elsewhere, or run `chown 7 p`"},
		{above, fs.ModeDir | 0o777, 7, 1, "mode 0777); keep the file elsewhere, or run `chmod go-w p`"},
	} {
		err := c.judge(facts{path: "p", mode: c.mode, uid: c.uid, gid: 80, links: c.links})
		if want := fmt.Sprintf("(owner %d, group 80, %s", c.uid, c.want); err == nil || !strings.HasPrefix(err.Error(), "p ") || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%v: got %v, want it to end with %s", c.mode, err, want)
		}
	}
}

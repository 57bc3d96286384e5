package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/config"
)

func TestSecretsAreShownAsStars(t *testing.T) {
	t.Parallel()
	cases := []struct{ variable, text, want string }{
		{"DATABASE_URL", database, "postgres://mint:***@db.internal:5432/mint?sslmode=disable"},
		{"DATABASE_URL", "postgres://mint@h1:1,h2:2/mint", "postgres://mint@h1:1,h2:2/mint"},
		{"DATABASE_URL", "postgres:///mint?host=/run/pg&password=" + password, "postgres:///mint?host=%2Frun%2Fpg&password=***"},
		{"DATABASE_MIGRATE_URL", "postgresql://u:%40" + password + "@[::1]:5432/d", "postgresql://u:***@[::1]:5432/d"},
		{"REDIS_URL", redisURL, "redis://:***@cache.internal:6379/2"},
		{"REDIS_URL", "redis+sentinel://u:" + password + "@h1:26379,h2:26379/mymaster", "redis+sentinel://u:***@h1:26379,h2:26379/mymaster"},
		{"REDIS_URL", "rediss+sentinel://h1:1,h2:2/m?sentinel_password=" + password, "rediss+sentinel://h1:1,h2:2/m?sentinel_password=***"},
		{"ROOT_SECRET", rootText, "***"},
	}
	for _, c := range cases {
		env := append(production(), "MINTMARK_"+c.variable+"="+c.text)
		loaded := given{env: env}.mustLoad(t)
		for _, row := range config.Show(loaded) {
			if row.Variable == "MINTMARK_"+c.variable && row.Value != c.want {
				t.Errorf("%s shows %q, want %q", c.variable, row.Value, c.want)
			}
		}
		printed := fmt.Sprintf("%v %+v %#v %s", loaded, loaded, loaded, config.Show(loaded))
		if encoded, err := json.Marshal(loaded); err == nil {
			printed += string(encoded)
		} else {
			t.Errorf("encode Config: %v", err)
		}
		if strings.Contains(printed, password) || strings.Contains(printed, rootText[2:12]) {
			t.Errorf("printing a Config shows a secret: %s", printed)
		}
	}
}

func TestNoProblemHoldsASecret(t *testing.T) {
	t.Parallel()
	spoiled := []string{
		"%s", "mysql://u:%s@h/d", "postgres://u:%s/x@h/d", "postgres://u:%s@x@h/d", "postgres://u:%s@h:port/d", "postgres://u:%s#@h",
		"postgres://u:%%zz%s@h/d", "redis://:%s@h/db", "redis://:%s@h1,h2", "redis+sentinel://:%s@h", "redis+cluster://:%s@h/1", "redis://:%s@/",
		"postgres://u:%s@::1/d", "rediss://%s@h", "redis://h?%s=1", "postgres://h/d?%%zz=%s", "1:%s", "1:%s,1:%s", "%s:1", "1!:%s", "line\n%s", "%s\xff", "https://u:%s@h",
	}
	for _, variable := range []string{"DATABASE_URL", "DATABASE_MIGRATE_URL", "REDIS_URL", "ROOT_SECRET", "ROOT_SECRET_FILE"} {
		for _, form := range spoiled {
			text := strings.ReplaceAll(strings.ReplaceAll(form, "%s", password), "%%", "%")
			sources := []given{{env: []string{"MINTMARK_" + variable + "=" + text}}}
			if flag := strings.ReplaceAll(strings.ToLower(variable), "_", "-"); !strings.HasSuffix(flag, "file") {
				sources = append(sources, given{args: []string{"--" + flag + "=" + text}}, given{args: []string{"--" + flag + "=-"}, stdin: text},
					given{env: []string{"MINTMARK_" + variable + "_FILE=" + writeFile(t, "secret", text)}},
					given{yaml: strings.ToLower(variable) + ": " + text})
			}
			for _, g := range sources {
				problems := g.problems(t)
				if len(problems) == 0 {
					t.Errorf("%s=%s is accepted", variable, text)
				}
				if strings.Contains(problems.Error(), password) {
					t.Errorf("%s=%s: a problem holds the secret: %v", variable, text, problems)
				}
			}
		}
	}
}

func TestSecretsComeFromFilesAndStandardInput(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "root", rootText+"\r\n")
	for name, g := range map[string]given{
		"variable naming a file": {env: []string{"MINTMARK_ROOT_SECRET_FILE=" + file}},
		"flag naming a file":     {args: []string{"--root-secret=@" + file}},
		"standard input":         {args: []string{"--root-secret", "-"}, stdin: rootText + "\n"},
	} {
		if got := g.mustLoad(t).RootSecret.Encode().Reveal(); got != rootText {
			t.Errorf("%s: root secret differs", name)
		}
	}
	expect(t, given{args: []string{"--root-secret=-", "--database-url=-", "--redis-url=redis://h", "--issuer=https://a.example"}, stdin: rootText}.problems(t),
		"standard input is already the value of another flag", "")
	empty := writeFile(t, "empty", "\n")
	expect(t, given{env: []string{"MINTMARK_ROOT_SECRET_FILE=" + empty}}.problems(t), "the file is empty")
}

func TestOnlyURLsWithoutPasswordMayBeFlags(t *testing.T) {
	t.Parallel()
	roots := []string{"MINTMARK_ROOT_SECRET=" + rootText}
	given{args: []string{"--database-url=postgres://u@h/d", "--redis-url=redis://h", "--issuer=https://a.example"}, env: roots}.mustLoad(t)
	expect(t, given{args: []string{"--database-url=" + database, "--redis-url=redis://h", "--issuer=https://a.example"}, env: roots}.problems(t),
		"MINTMARK_DATABASE_URL (flag --database-url): a secret on the command line is visible")
}

func TestASecretUnderTheWrongKeyIsNotPrinted(t *testing.T) {
	t.Parallel()
	for _, variable := range []string{"ISSUER", "AUDIENCE", "HTTP_ADDR", "CORS_ORIGINS", "TRUSTED_PROXIES", "OPS_HOSTS", "RATE_LOGIN", "ACCESS_TOKEN_TTL", "LOG_LEVEL", "PASSWORD_TIME"} {
		problems := given{env: []string{"MINTMARK_" + variable + "=" + database}}.problems(t)
		expect(t, problems, "MINTMARK_"+variable)
		if strings.Contains(problems.Error(), password) {
			t.Errorf("%s: a problem holds a password: %v", variable, problems)
		}
	}
}

// withMode writes a file into a folder of its own.
func withMode(t *testing.T, text string, mode, folder fs.FileMode) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "folder")
	file := filepath.Join(dir, "secret")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(file, []byte(text), 0o600), os.Chmod(file, mode), os.Chmod(dir, folder)); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestAFileWithASecretIsRefusedIfOthersCanWriteItAndWarnedOfIfTheyCanReadIt(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		return // modes are those of Unix; package private tests the lists of Windows
	}
	for name, from := range map[string]func(file string) given{
		"variable": func(file string) given { return given{env: []string{"MINTMARK_ROOT_SECRET_FILE=" + file}} },
		"flag":     func(file string) given { return given{args: []string{"--root-secret=@" + file}} },
		"link": func(file string) given {
			link := filepath.Join(t.TempDir(), "link")
			if err := os.Symlink(file, link); err != nil {
				t.Fatal(err)
			}
			return given{env: []string{"MINTMARK_ROOT_SECRET_FILE=" + link}}
		},
		"config": func(file string) given { return given{args: []string{"--config=" + file}} },
	} {
		text := rootText
		if name == "config" {
			text = "root_secret: " + rootText
		}
		for mode, warns := range map[fs.FileMode]bool{0o600: false, 0o400: false, 0o644: true, 0o444: true} {
			warnings := from(withMode(t, text, mode, 0o755)).mustLoad(t).Warnings()
			if warned := len(warnings) == 1 && warnings[0].Key == "MINTMARK_ROOT_SECRET" && strings.Contains(warnings[0].Mend, "chmod o-rwx") ||
				len(warnings) == 1 && strings.Contains(warnings[0].Mend, "chmod go-rwx"); warned != warns {
				t.Errorf("%s, mode %04o: got %v, warned is to be %v", name, mode, warnings, warns)
			}
		}
		for _, modes := range [][2]fs.FileMode{{0o602, 0o755}, {0o620, 0o755}, {0o666, 0o755}, {0o600, 0o757}} {
			file, what := withMode(t, text, modes[0], modes[1]), "others can write to it (owner "
			if modes[0] == 0o600 {
				what = "others can replace the file in it (owner "
			}
			expect(t, from(file).problems(t), `…": `+what)
		}
	}
	file := withMode(t, "https://auth.example.com", 0o644, 0o755)
	if warnings := (given{env: []string{"MINTMARK_ISSUER_FILE=" + file}}).mustLoad(t).Warnings(); len(warnings) > 0 {
		t.Errorf("an issuer is no secret: %v", warnings)
	}
	if warnings := (given{args: []string{"--config=" + withMode(t, "log_level: debug", 0o644, 0o755)}}).mustLoad(t).Warnings(); len(warnings) > 0 {
		t.Errorf("a file without a secret: %v", warnings)
	}
}

func TestAByteOrderMarkIsToldAsSuch(t *testing.T) {
	t.Parallel()
	for _, mark := range []string{"\ufeff", "\xff\xfe", "\xfe\xff"} {
		file := writeFile(t, "marked", mark+rootText+"\r\n")
		expect(t, given{env: []string{"MINTMARK_ROOT_SECRET_FILE=" + file}}.problems(t), "byte order mark (BOM); save it as UTF-8 without")
		expect(t, given{args: []string{"--root-secret=-"}, stdin: mark + rootText}.problems(t), "byte order mark")
	}
}

func TestConnectionsInTheClearAreWarnedOf(t *testing.T) {
	t.Parallel()
	warned := func(settings ...string) (keys []string) {
		for _, w := range (given{env: append([]string{"MINTMARK_ROOT_SECRET=" + rootText, "MINTMARK_ISSUER=https://a.example"}, settings...)}).mustLoad(t).Warnings() {
			keys = append(keys, w.Key)
			if strings.Contains(w.String(), password) {
				t.Errorf("a warning holds a password: %v", w)
			}
		}
		return keys
	}
	if got := warned("MINTMARK_DATABASE_URL=postgres://u:"+password+"@db.example/d", "MINTMARK_DATABASE_MIGRATE_URL=postgres://u@db2.example/d?sslmode=disable", "MINTMARK_REDIS_URL=redis://:"+password+"@cache.example"); len(got) != 3 {
		t.Errorf("got warnings of %v, want of all three URLs", got)
	}
	if got := warned("MINTMARK_DATABASE_URL=postgres://u@127.0.0.1/d", "MINTMARK_REDIS_URL=unix:///run/redis.sock"); len(got) > 0 {
		t.Errorf("nobody listens on this machine: got %v", got)
	}
}

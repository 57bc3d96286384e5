package config_test

import (
	"strings"
	"testing"
	"time"
)

func TestYAMLListsAndScalarsAreRead(t *testing.T) {
	t.Parallel()
	c := given{yaml: "---\n# a comment\npassword_time: 3\ninsecure_plain_http: true\nrate_token: off\nrefresh_grace: 0\n" +
		"cors_origins:\n  - https://a.example\n  - https://b.example\nrate_login: [1/s, 2/s]\nroot_secret: " + rootText + "\n"}.mustLoad(t)
	if c.PasswordTime != 3 || !c.InsecurePlainHTTP || !c.RateToken.Unlimited() || c.RefreshGrace != 0 ||
		strings.Join(c.CORSOrigins, " ") != "https://a.example https://b.example" ||
		c.RateLogin.PerAddress.Per != time.Second || c.RootSecret.Encode().Reveal() != rootText {
		t.Errorf("got %+v", c)
	}
}

func TestBrokenYAMLIsReportedClearly(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, yaml, says string }{
		{"duplicate", "issuer: https://a\nissuer: https://b\n", "issuer is in line 1 and again in line 2"},
		{"duplicate of a stranger", "stranger: " + password + "\nstranger: " + password + "\n", "a key is in line 1"},
		{"not a map", "1:" + password, "not a YAML file"},
		{"a list", "- " + password, "not a YAML file"},
		{"bad syntax", "issuer: \"" + password + "\nx", "not a YAML file"},
		{"unknown alias", "issuer: *" + password, "not a YAML file"},
		{"bad syntax has a line", "# c\nissuer: https://a\naudience: \"" + password + "\nx: [", "near line 3"},
		{"a list has a line", "\n\n- x\n", "near line 3"},
		{"an empty second document", "issuer: https://a.example\n---\n", "more than one YAML document"},
		{"a group with a key twice", "issuer:\n  a: x\n  a: y\n", "MINTMARK_ISSUER"},
		{"a list that holds itself", "cors_origins: &a [*a]\n", "near line 1"},
		{"a tag that lies", "password_time: !!int " + password + "\n", "near line 1"},
		{"second document", "issuer: https://a.example\n---\naudience: x\n", "more than one YAML document"},
		{"a group", "issuer:\n  url: " + password + "\n", "MINTMARK_ISSUER"},
		{"no value", "data_dir:\n", "it has no value"},
		{"a date", "data_dir: 2026-01-01\n", "in quotes"},
		{"a number for a text", "data_dir: 5\n", "it is a number"},
		{"a list for one value", "audience: [a, b]\n", "it is a list"},
		{"a list of numbers", "trusted_proxies: [1, 2]\n", "an entry that is not one text"},
		{"a comma in an entry", "trusted_proxies: ['10.0.0.1,10.0.0.2']\n", "an entry that is not one text"},
		{"true for a number", "password_time: true\n", "it is true or false"},
		{"a line break", "data_dir: \"a\\nb\"\n", "on one line"},
		{"too large", "# " + strings.Repeat("x", 1<<20), "larger than 1 MiB"},
		{"nested bomb", "a: &a [x,x]\nb: &b [*a,*a]\n", "no such key"},
	}
	for _, c := range cases {
		problems := given{yaml: c.yaml}.problems(t)
		if len(problems) == 0 || !strings.Contains(problems.Error(), c.says) {
			t.Errorf("%s: got %v, want %q", c.name, problems, c.says)
		}
		if strings.Contains(problems.Error(), password) {
			t.Errorf("%s: a value is printed: %v", c.name, problems)
		}
	}
}

func TestAFileWithoutKeysSetsNothing(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"#" + strings.Repeat("x", 1<<20-1), "\n", "# a comment\n", "---\n", "---\n# a comment\n", "{}\n", "~\n", "\ufeff# with a byte order mark\r\n"} {
		if c := (given{yaml: text}).mustLoad(t); c.PasswordTime != 2 {
			t.Errorf("%q sets something", text)
		}
	}
}

func TestAKeyThatStandsTwiceDoesNotHideOtherProblems(t *testing.T) {
	t.Parallel()
	problems := given{
		yaml: "trusted_proxies:\n- 10.0.0.1\nlog_level: info\ntrusted_proxies:\n- 10.0.0.2\n\n  # more\n- 10.0.0.3\nlog_level: warn\nlog_level: debug\nlog_format: xml\nissur: x\n",
		env:  []string{"MINTMARK_REFRESH_GRACE=61s"},
	}.problems(t)
	expect(t, problems,
		"trusted_proxies is in line 1 and again in line 4", "log_level is in line 3 and again in line 9", "log_level is in line 3 and again in line 10",
		"MINTMARK_LOG_FORMAT", "nearest known one is issuer", "MINTMARK_REFRESH_GRACE")
}

func TestAnUnreadableFileDoesNotHideOtherProblems(t *testing.T) {
	t.Parallel()
	problems := given{args: []string{"--config", "/nowhere/mintmark.yaml"}, env: []string{"MINTMARK_LOG_LEVEL=x", "MINTMARK_REDIS_URL=redis://h"}}.problems(t)
	expect(t, problems, `flag --config: the file "/nowhere/mintmark.yaml" cannot be read: no such file or directory`, "MINTMARK_LOG_LEVEL")
	expect(t, given{args: []string{"--config", t.TempDir()}}.problems(t), "is a directory")
}

func TestYAMLNamesTheFileAsSource(t *testing.T) {
	t.Parallel()
	problems := given{yaml: "log_format: xml\n"}.problems(t)
	if len(problems) != 1 || !strings.HasSuffix(problems[0].Source, "mintmark.yaml") {
		t.Errorf("problems %+v do not name the file", problems)
	}
}

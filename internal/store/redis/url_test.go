package redis

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	goredis "github.com/redis/go-redis/v9"
)

// target is what a URL says.
type target struct {
	Addrs                     []string
	Username, Password        string
	SentinelUser, SentinelPwd string
	Master                    string
	DB                        int
	Cluster, TLS              bool
}

func targetOf(o *goredis.UniversalOptions) target {
	return target{
		Addrs: o.Addrs, Username: o.Username, Password: o.Password,
		SentinelUser: o.SentinelUsername, SentinelPwd: o.SentinelPassword,
		Master: o.MasterName, DB: o.DB, Cluster: o.IsClusterMode, TLS: o.TLSConfig != nil,
	}
}

func TestEveryFormOfURLIsRead(t *testing.T) {
	t.Parallel()
	tests := map[string]target{
		"redis://h":                      {Addrs: []string{"h:6379"}},
		"redis://h:1/":                   {Addrs: []string{"h:1"}},
		"redis://AZaz09-._:65535":        {Addrs: []string{"AZaz09-._:65535"}},
		"redis://:p%40ss@h:6380/3":       {Addrs: []string{"h:6380"}, Password: "p@ss", DB: 3},
		"redis://u:p@h?db=2":             {Addrs: []string{"h:6379"}, Username: "u", Password: "p", DB: 2},
		"rediss://u:p@[::1]:6380/0":      {Addrs: []string{"[::1]:6380"}, Username: "u", Password: "p", TLS: true},
		"redis://[::1]":                  {Addrs: []string{"[::1]:6379"}},
		"redis+sentinel://h1,h2:1/main":  {Addrs: []string{"h1:26379", "h2:1"}, Master: "main"},
		"rediss+sentinel://u:p@h/m?db=4": {Addrs: []string{"h:26379"}, Username: "u", Password: "p", Master: "m", DB: 4, TLS: true},
		"redis+cluster://h1:1,h2":        {Addrs: []string{"h1:1", "h2:6379"}, Cluster: true},
		"rediss+cluster://u:p@h":         {Addrs: []string{"h:6379"}, Username: "u", Password: "p", Cluster: true, TLS: true},
		"unix:///run/redis.sock?db=1":    {Addrs: []string{"/run/redis.sock"}, DB: 1},
		"unix://u:p@/run/redis.sock":     {Addrs: []string{"/run/redis.sock"}, Username: "u", Password: "p"},
		"redis+sentinel://h/m?sentinel_username=s&sentinel_password=t": {
			Addrs: []string{"h:26379"}, Master: "m", SentinelUser: "s", SentinelPwd: "t",
		},
	}
	for text, want := range tests {
		options, err := parseURL(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(targetOf(options), want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", text, diff)
		}
	}
}

func TestABadURLIsRefusedWithoutItsPassword(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "redis", "hunter2", "http://u:hunter2@h", "redis://", "redis://u:hunter2@", "redis://u:hunter2@:6379",
		"redis://u:hunter2@h:port", "redis://u:hunter2@h:0", "redis://u:hunter2@h:70000", "redis://u:hunter2%zz@h",
		"redis://u:hunter2/x@h", "redis://u:hunter2?x@h", "redis://u:hunter2#x@h", "redis://u:hun ter2@h", "redis://u:hunter2@h1,h2",
		"redis://u:hunter2@h/x", "redis://u:hunter2@h/0?db=1", "redis://h?hunter2=1", "redis://h?db=1&db=2", "redis://h/-1", "redis://h/99999",
		"redis+sentinel://u:hunter2@h", "redis+sentinel://u:hunter2@h/a/b", "redis+sentinel://h/m?hunter2", "redis+cluster://u:hunter2@h/1",
		"redis+cluster://h?db=0", "redis+cluster://h1,,h2", "redis+tls://u:hunter2@h", "unix://u:hunter2@h/x", "unix://u:hunter2@", "unix://%zzhunter2",
		"redis://u:hunter2@h\x00", "redis+cluster://" + strings.Repeat("h,", 70) + "h",
	} {
		options, err := parseURL(text)
		if err == nil {
			t.Errorf("%q was read as %+v", text, targetOf(options))
			continue
		}
		if strings.Contains(err.Error(), "hun") || strings.Contains(err.Error(), "ter2") {
			t.Errorf("%q: the error repeats the password: %v", text, err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("redis://u:hunter2@h:6379/0")
	f.Add("redis+sentinel://h1:26379,h2:26379/master?db=1")
	f.Add("unix:///run/redis.sock")
	f.Fuzz(func(t *testing.T, text string) {
		options, err := parseURL(text)
		if err == nil && len(options.Addrs) == 0 {
			t.Errorf("%q gives no address and no error", text)
		}
	})
}

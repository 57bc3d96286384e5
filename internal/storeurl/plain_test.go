package storeurl_test

import (
	"testing"

	"github.com/mintmark-auth/mintmark/internal/storeurl"
)

func TestAHostThatIsReachedWithoutTLSIsNamed(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"postgres://u@db.example/x":                                     "db.example",
		"postgres://u@db.example/x?sslmode=disable":                     "db.example",
		"postgres://u@db.example/x?sslmode=allow":                       "db.example",
		"postgres://u@db.example/x?sslmode=prefer":                      "db.example",
		"postgres://u@db.example/x?sslmode=require":                     "",
		"postgres://u@db.example/x?sslmode=verify-ca":                   "",
		"postgres://u@db.example/x?sslmode=verify-full":                 "",
		"postgres://u@10.0.0.7/x":                                       "10.0.0.7",
		"postgres://u@localhost/x?sslmode=disable":                      "",
		"postgres://u@127.8.0.1:5433/x":                                 "",
		"postgres://u@[::1]/x":                                          "",
		"postgres:///x?host=/run/postgresql":                            "",
		"postgres://u@localhost,db.example/x":                           "db.example",
		"postgres:///x?host=/run/postgresql,db.example&sslmode=disable": "db.example",
		"postgres://u@localhost.example/x":                              "localhost.example",
		"nonsense":                                                      "",
		"":                                                              "",
	} {
		if host, mend := storeurl.PlainPostgres(url); host != want || host != "" && mend == "" {
			t.Errorf("%s: got %q, %q, want %q", url, host, mend, want)
		}
	}
	for url, want := range map[string]string{
		"redis://cache.example":                          "cache.example",
		"rediss://cache.example":                         "",
		"redis://:pw@10.0.0.7:6380/1":                    "10.0.0.7",
		"redis://localhost":                              "",
		"redis://127.0.0.1:6379":                         "",
		"redis://[::1]:6379":                             "",
		"redis+sentinel://127.0.0.1,s2.example/master":   "s2.example",
		"rediss+sentinel://s1.example,s2.example/master": "",
		"redis+cluster://n1.example,n2.example":          "n1.example",
		"unix:///run/redis.sock":                         "",
		"nonsense":                                       "",
		"":                                               "",
	} {
		if host, mend := storeurl.PlainRedis(url); host != want || host != "" && mend == "" {
			t.Errorf("%s: got %q, %q, want %q", url, host, mend, want)
		}
	}
}

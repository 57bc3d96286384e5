package redis

import (
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/mintmark-auth/mintmark/internal/storeurl"
)

func TestAURLChoosesTheKindOfClient(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"rediss://u:p@h/1": "one", "unix:///run/redis": "one",
		"rediss+sentinel://u:p@h/m?db=1&sentinel_username=s&sentinel_password=t": "one",
		"rediss+cluster://u:p@h": "cluster",
	} {
		url, err := storeurl.ParseRedis(text)
		if err != nil {
			t.Fatal(err)
		}
		o := clientOptions(url)
		if o.Username != url.Username || o.Password != url.Password.Reveal() || o.DB != url.DB || o.MasterName != url.Master ||
			o.SentinelUsername != url.SentinelUsername || o.SentinelPassword != url.SentinelPassword.Reveal() || (o.TLSConfig != nil) != url.TLS {
			t.Errorf("%s: %+v does not say what the URL says", text, o)
		}
		client := goredis.NewUniversalClient(tune(o))
		got := "one"
		if _, ok := client.(*goredis.ClusterClient); ok {
			got = "cluster"
		}
		if err := client.Close(); err != nil || got != want {
			t.Errorf("%s: a client of the kind %s (%v), want %s", text, got, err, want)
		}
	}
}

// FuzzEveryURLThatParsesMakesAClient that is closed without a call.
func FuzzEveryURLThatParsesMakesAClient(f *testing.F) {
	f.Add("redis://u:hunter2@h:6379/0")
	f.Add("rediss+sentinel://h1:26379,[::1]/master?db=1&sentinel_password=x")
	f.Add("rediss+cluster://h1,h2:1")
	f.Add("unix:///run/redis.sock?db=1")
	f.Fuzz(func(t *testing.T, text string) {
		url, err := storeurl.ParseRedis(text)
		if err != nil {
			return
		}
		if err := goredis.NewUniversalClient(tune(clientOptions(url))).Close(); err != nil {
			t.Errorf("%q is accepted, but: %v", text, err)
		}
	})
}

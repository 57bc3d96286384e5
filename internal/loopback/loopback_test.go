package loopback_test

import (
	"testing"

	"github.com/mintmark-auth/mintmark/internal/loopback"
)

func TestOnlyLocalhostAndLoopbackAddressesAreThisMachine(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "LocalHost": true, "127.0.0.1": true, "127.9.9.9": true, "::1": true, "::ffff:127.0.0.1": true,
		"": false, "0.0.0.0": false, "::": false, "128.0.0.1": false, "126.255.255.255": false, "::2": false, "127.1": false, "[::1]": false,
		"localhost.": false, "localhost.example.com": false, "127.0.0.1:80": false, "0177.0.0.1": false,
	} {
		if got := loopback.Host(host); got != want {
			t.Errorf("%q: %t, want %t", host, got, want)
		}
	}
}

package config

import (
	"strings"
	"testing"
)

func TestWhatKubernetesInjectsIsToldFromMistakes(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]bool{
		// The service is called mintmark.
		"MINTMARK_SERVICE_HOST=10.0.0.1":          true,
		"MINTMARK_SERVICE_HOST=fd00::1":           true,
		"MINTMARK_SERVICE_PORT=80":                true,
		"MINTMARK_SERVICE_PORT_HTTP=80":           true,
		"MINTMARK_SERVICE_PORT_FILE=80":           true,
		"MINTMARK_SERVICE_PORT=tcp://10.0.0.1:80": true, // of mintmark-service
		"MINTMARK_PORT=tcp://10.0.0.1:80":         true,
		"MINTMARK_PORT=tcp://[fd00::1]:80":        true,
		"MINTMARK_PORT_80_TCP=tcp://10.0.0.1:80":  true,
		"MINTMARK_PORT_80_TCP_PROTO=tcp":          true,
		"MINTMARK_PORT_80_TCP_PORT=80":            true,
		"MINTMARK_PORT_80_TCP_ADDR=10.0.0.1":      true,
		"MINTMARK_PORT_53_UDP=udp://10.0.0.1:53":  true,
		"MINTMARK_PORT_53_UDP_PROTO=udp":          true,
		"MINTMARK_PORT_9_SCTP=sctp://10.0.0.1:9":  true,
		"MINTMARK_PORT_9_SCTP_PROTO=sctp":         true,
		// It is called mintmark-postgres, mintmark-redis-2, mintmark-http …
		"MINTMARK_POSTGRES_SERVICE_HOST=10.0.0.1":       true,
		"MINTMARK_POSTGRES_SERVICE_PORT=5432":           true,
		"MINTMARK_POSTGRES_SERVICE_PORT_TCP_PG=5432":    true,
		"MINTMARK_REDIS_2_PORT=tcp://10.0.0.1:6379":     true,
		"MINTMARK_REDIS_PORT_6379_TCP=tcp://10.0.0.1:6": true,
		"MINTMARK_REDIS_PORT_6379_TCP_PROTO=tcp":        true,
		"MINTMARK_REDIS_PORT_6379_TCP_PORT=6379":        true,
		"MINTMARK_REDIS_PORT_6379_TCP_ADDR=10.0.0.1":    true,
		"MINTMARK_HTTP_PORT=tcp://10.0.0.1:8080":        true,
		"MINTMARK_ISSUER_SERVICE_HOST=10.0.0.1":         true,

		// A name of Kubernetes with a value that it does not write.
		"MINTMARK_PORT=8080":                         false,
		"MINTMARK_HTTP_PORT=8080":                    false,
		"MINTMARK_HTTP_PORT=http://10.0.0.1:8080":    false,
		"MINTMARK_REDIS_PORT=tcp://redis:6379":       false,
		"MINTMARK_REDIS_PORT=redis://10.0.0.1:6379":  false,
		"MINTMARK_POSTGRES_SERVICE_HOST=postgres":    false,
		"MINTMARK_POSTGRES_SERVICE_PORT=http":        false,
		"MINTMARK_POSTGRES_SERVICE_PORT=70000":       false,
		"MINTMARK_REDIS_PORT_6379_TCP_PROTO=http":    false,
		"MINTMARK_REDIS_PORT_6379_TCP_ADDR=redis":    false,
		"MINTMARK_REDIS_PORT_6379_TCP_PORT=tcp://10": false,
		// A value of Kubernetes under another name.
		"MINTMARK_HTTP_ADRR=10.0.0.1":                 false,
		"MINTMARK_REDIS_HOST=10.0.0.1":                false,
		"MINTMARK_REDIS_PORT_TCP=tcp://10.0.0.1:1":    false,
		"MINTMARK_REDIS_PORT_1_QUIC=tcp://10.0.0.1:1": false,
		"MINTMARK_redis_SERVICE_HOST=10.0.0.1":        false,
		"MINTMARKX_SERVICE_HOST=10.0.0.1":             false,
		"MINTMARK_X\nY_SERVICE_HOST=10.0.0.1":         false,
	} {
		variable, text, _ := strings.Cut(setting, "=")
		if got := injected(variable, text); got != want {
			t.Errorf("%q: Kubernetes' %v, want %v", setting, got, want)
		}
	}
}

func TestNoKeyHasANameThatKubernetesInjects(t *testing.T) {
	t.Parallel()
	for _, k := range keys() {
		for _, l := range links {
			if l.name.MatchString(k.name) || l.name.MatchString(k.name+fileSuffix) {
				t.Errorf("%s may be a service's: %s", k.name, l.name)
			}
		}
	}
}

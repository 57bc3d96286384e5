package telemetry_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/trace"

	"github.com/mintmark-auth/mintmark/internal/telemetry"
)

// collector is where spans are sent; what it is sent is protobuf, in which texts are plain.
type collector struct {
	mu  sync.Mutex
	got bytes.Buffer // guarded by mu
}

func (c *collector) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = io.Copy(&c.got, r.Body)
}

func (c *collector) heard(text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Contains(c.got.Bytes(), []byte(text))
}

// TestSpansSayWhatWasDoneAndNothingThatWasSent: neither the path, nor a statement's text,
// nor a command's values. The variables of the SDK are the process's, so it is not parallel.
func TestSpansSayWhatWasDoneAndNothingThatWasSent(t *testing.T) {
	var c collector
	server := httptest.NewServer(&c)
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=from-the-environment")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
	defer cancel()
	tracing, err := telemetry.StartTracing(ctx, "v1.2.3-test")
	if err != nil {
		t.Fatal(err)
	}
	const sent, theirs, proxys = "tOkEn-in-the-path", "0af7651916cd43dd8448eb211c80319c", "11111111111111111111111111111111"

	client := redis.NewClient(&redis.Options{Addr: strings.TrimPrefix(server.URL, "http://"), MaxRetries: -1})
	defer client.Close()
	if err := tracing.Redis(client); err != nil {
		t.Fatal(err)
	}
	postgres := tracing.Postgres()
	var inside trace.SpanContext
	handler := tracing.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inside = trace.SpanContextFromContext(r.Context())
		started := postgres.TraceQueryStart(r.Context(), nil, pgx.TraceQueryStartData{SQL: "SELECT '" + sent + "'", Args: []any{sent}})
		postgres.TraceQueryEnd(started, nil, pgx.TraceQueryEndData{})
		_ = client.Set(r.Context(), "key", sent, 0).Err() // the server that answers does not speak Redis
		w.Header().Set("X-Request-Id", "id-of-the-request")
		w.WriteHeader(http.StatusTeapot)
	}), func(r *http.Request) bool { return r.RemoteAddr == "proxy" })
	request := httptest.NewRequestWithContext(ctx, http.MethodGet, "/"+sent, nil)
	request.Header.Set("traceparent", "00-"+theirs+"-b7ad6b7169203331-01")
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	if answer.Code != http.StatusTeapot || !inside.IsValid() || inside.TraceID().String() == theirs {
		t.Errorf("status %d in the trace %s; want the handler's, in a trace of its own", answer.Code, inside.TraceID())
	}
	request.RemoteAddr = "proxy"
	request.Header.Set("traceparent", "00-"+proxys+"-b7ad6b7169203331-01")
	handler.ServeHTTP(httptest.NewRecorder(), request)
	if inside.TraceID().String() != proxys {
		t.Errorf("a trusted proxy's request is in the trace %s, want %s", inside.TraceID(), proxys)
	}
	request.Header.Add("traceparent", "00-"+theirs+"-b7ad6b7169203331-01")
	handler.ServeHTTP(httptest.NewRecorder(), request)
	if got := inside.TraceID().String(); got == proxys || got == theirs {
		t.Errorf("of two traces, %s was believed", got)
	}
	if err := tracing.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	strangers, err := hex.DecodeString(theirs)
	if err != nil {
		t.Fatal(err)
	}
	for _, said := range []string{
		"mintmark", "service.version", "v1.2.3-test", "from-the-environment", "telemetry.sdk.name",
		"url.path", "REDACTED", "SELECT", "set", "mintmark.request_id", "id-of-the-request",
	} {
		if !c.heard(said) {
			t.Errorf("the spans lack %q", said)
		}
	}
	if c.heard(sent) || c.heard(string(strangers)) {
		t.Error("the spans hold what was sent")
	}
}

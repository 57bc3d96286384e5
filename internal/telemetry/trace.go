package telemetry

import (
	"context"
	"fmt"
	"net/http"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/extra/redisotel/v9"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	span "go.opentelemetry.io/otel/trace"
)

// Tracing exports spans by OTLP over HTTP. The OpenTelemetry SDK reads its
// standard OTEL_* variables itself.
type Tracing struct {
	provider *trace.TracerProvider
}

// StartTracing opens the exporter; it does not wait for the collector.
func StartTracing(ctx context.Context, version string) (*Tracing, error) {
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("start tracing: %w", err)
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "mintmark"), attribute.String("service.version", version)),
		resource.WithTelemetrySDK(),
		resource.WithFromEnv()) // OTEL_SERVICE_NAME wins
	if err != nil {
		return nil, fmt.Errorf("start tracing: %w", err)
	}
	return &Tracing{provider: trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(about))}, nil
}

// Handler wraps a handler in spans that say nothing of the path, which may hold anything, and tell the id that the
// handler gives to the request. Spans belong to the caller's trace if it is trusted; else what it says is ignored.
func (t *Tracing) Handler(next http.Handler, trusted func(*http.Request) bool) http.Handler {
	hidden := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		about := span.SpanFromContext(r.Context())
		about.SetAttributes(attribute.String("url.path", "REDACTED")) // otelhttp has set the one that was sent
		next.ServeHTTP(w, r)
		about.SetAttributes(attribute.String("mintmark.request_id", w.Header().Get("X-Request-Id")))
	})
	traced := otelhttp.NewHandler(hidden, "http", otelhttp.WithTracerProvider(t.provider), otelhttp.WithPropagators(propagation.TraceContext{}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !trusted(r) || len(r.Header.Values("Traceparent")) > 1 {
			r.Header.Del("Traceparent")
			r.Header.Del("Tracestate")
		}
		traced.ServeHTTP(w, r)
	})
}

// Postgres returns the tracer of a Postgres pool: the kind of a statement, never
// its text.
func (t *Tracing) Postgres() pgx.QueryTracer {
	return otelpgx.NewTracer(otelpgx.WithTracerProvider(t.provider), otelpgx.WithDisableSQLStatementInAttributes())
}

// Redis instruments a Redis client: commands without their values.
func (t *Tracing) Redis(client redis.UniversalClient) error {
	return redisotel.InstrumentTracing(client, redisotel.WithTracerProvider(t.provider), redisotel.WithDBStatement(false))
}

// Stop sends what is left, for as long as ctx allows.
func (t *Tracing) Stop(ctx context.Context) error { return t.provider.Shutdown(ctx) }

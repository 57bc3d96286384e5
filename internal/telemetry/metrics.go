// Package telemetry provides the metrics, traces and log for operators. Its output never contains a token, password,
// key or path that a caller sent.
package telemetry

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics counts what happened, for /metrics. Every label has few values.
type Metrics struct {
	registry *prometheus.Registry
	inFlight prometheus.Gauge
	requests *prometheus.HistogramVec
	verdicts *prometheus.CounterVec
	logins   *prometheus.CounterVec
}

// NewMetrics returns metrics at zero. The verdicts are all there can be on a
// refresh token: each is shown from the start, so that a first one is an increase.
func NewMetrics(verdicts ...string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mintmark_http_requests_in_flight", Help: "Requests being served, by either listener.",
		}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "mintmark_http_request_duration_seconds", Help: "How long requests took, by route, method and status.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"route", "method", "status"}),
		verdicts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mintmark_refresh_verdicts_total", Help: "Refresh tokens presented, by verdict.",
		}, []string{"verdict"}),
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mintmark_logins_total", Help: "Logins, by outcome.",
		}, []string{"outcome"}),
	}
	for _, verdict := range verdicts {
		m.verdicts.WithLabelValues(verdict)
	}
	m.registry.MustRegister(m.inFlight, m.requests, m.verdicts, m.logins,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Gauge registers a value that is read when it is asked for.
func (m *Metrics) Gauge(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
}

// Gauges registers values of one label that are read when they are asked for.
func (m *Metrics) Gauges(name, help, label string, read func(set func(value string, figure float64))) {
	m.registry.MustRegister(gauges{prometheus.NewDesc(name, help, []string{label}, nil), read})
}

// gauges is a collector of the values that read sets.
type gauges struct {
	desc *prometheus.Desc
	read func(set func(value string, figure float64))
}

func (g gauges) Describe(out chan<- *prometheus.Desc) { out <- g.desc }

func (g gauges) Collect(out chan<- prometheus.Metric) {
	g.read(func(value string, figure float64) {
		out <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, figure, value)
	})
}

// Handler serves the metrics in the Prometheus text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Began counts a request in.
func (m *Metrics) Began() { m.inFlight.Inc() }

// Served counts a request out and times it.
func (m *Metrics) Served(route, method string, status int, took time.Duration) {
	m.inFlight.Dec()
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Observe(took.Seconds())
}

// Refreshed counts a verdict on a refresh token.
func (m *Metrics) Refreshed(verdict string) { m.verdicts.WithLabelValues(verdict).Inc() }

// LoggedIn counts the outcome of a login.
func (m *Metrics) LoggedIn(outcome string) { m.logins.WithLabelValues(outcome).Inc() }

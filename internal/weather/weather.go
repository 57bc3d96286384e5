// Package weather is the example resource service: it returns the forecast of the ASP.NET template to callers with an
// access token. It shows how little a service needs to check tokens offline. The weather is made up.
package weather

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// Path is where the forecast is, in any letter case.
const Path = "/WeatherForecast"

// day is one day's forecast, member by member as ASP.NET's template writes it.
type day struct {
	Date         string `json:"date"` // yyyy-mm-dd
	TemperatureC int    `json:"temperatureC"`
	TemperatureF int    `json:"temperatureF"`
	Summary      string `json:"summary"`
}

// Handler serves the forecast for the five days after now to requests that v lets pass.
func Handler(v *verifier.Verifier, now func() time.Time) http.Handler {
	forecast := v.Require()(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, forecast(now()))
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !strings.EqualFold(r.URL.Path, Path):
			answer(w, http.StatusNotFound, problem{"not_found", "there is only GET " + Path})
		case r.Method != http.MethodGet:
			w.Header().Set("Allow", http.MethodGet)
			answer(w, http.StatusMethodNotAllowed, problem{"method_not_allowed", "use GET"})
		case v.Wait(r.Context()) != nil:
			w.Header().Set("Retry-After", "1")
			answer(w, http.StatusServiceUnavailable, problem{"temporarily_unavailable", "the issuer's keys are not there yet"})
		default:
			forecast.ServeHTTP(w, r)
		}
	})
}

// problem is the body of an error, in the members that a refused token gets too.
type problem struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

func forecast(now time.Time) []day {
	summaries := [...]string{
		"Freezing", "Bracing", "Chilly", "Cool", "Mild", "Warm", "Balmy", "Hot", "Sweltering", "Scorching",
	}
	days := make([]day, 5)
	for i := range days {
		celsius := rand.IntN(75) - 20 //nolint:gosec // made-up weather may be guessed
		days[i] = day{
			Date:         now.AddDate(0, 0, i+1).Format(time.DateOnly),
			TemperatureC: celsius,
			TemperatureF: 32 + int(float64(celsius)/0.5556),
			Summary:      summaries[rand.IntN(len(summaries))], //nolint:gosec // likewise
		}
	}
	return days
}

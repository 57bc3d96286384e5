package storm_test

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// witnessEvery is how often the witness looks at every access token whose session has ended.
const witnessEvery = 100 * time.Millisecond

// witness is a service that checks access tokens offline and follows the status lists through a
// balancer, while everything beneath is harmed. R1 and R2 are what it sees.
type witness struct {
	verifier *verifier.Verifier
	history  *history
	done     chan struct{}
	watching sync.WaitGroup

	mu    sync.Mutex
	ended []*afterlife // guarded by mu
}

// afterlife is what the witness saw of an access token since its session's end was answered.
type afterlife struct {
	access  string
	ended   time.Duration
	refused time.Duration // when it was first refused; 0: not yet
	revived bool          // it was valid again
	odd     error         // it was refused for something else
}

func startWitness(t testing.TB, s *stage, h *history) *witness {
	t.Helper()
	v, err := verifier.New(issuer, issuer, verifier.WithHTTPClient(&http.Client{Transport: balancer{s}}), verifier.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	w := &witness{verifier: v, history: h, done: make(chan struct{})}
	w.watching.Go(func() {
		for {
			w.look(t)
			select {
			case <-w.done:
				return
			case <-time.After(witnessEvery):
			}
		}
	})
	return w
}

// balancer sends each request to some replica.
type balancer struct{ stage *stage }

func (b balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	to := b.stage.replicas[rand.IntN(len(b.stage.replicas))]
	there := r.Clone(r.Context())
	there.URL.Host = to.web.Addr()
	return http.DefaultTransport.RoundTrip(there)
}

// end notes that the end of a session was answered with yes.
func (w *witness) end(access string) {
	if access == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = append(w.ended, &afterlife{access: access, ended: w.history.now()})
}

// look checks every token whose session has ended.
func (w *witness) look(t testing.TB) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.ended {
		_, err := w.verifier.Verify(t.Context(), a.access)
		switch {
		case err == nil:
			a.revived = a.revived || a.refused != 0
		case errors.Is(err, verifier.ErrInvalidToken) && !strings.Contains(err.Error(), "session has ended"):
			a.odd = err
		case errors.Is(err, verifier.ErrInvalidToken) && a.refused == 0:
			a.refused = w.history.now()
		}
	}
}

// judge waits until every token is refused whose session has ended, and prints how long it took.
func (w *witness) judge(t testing.TB) {
	t.Helper()
	eventually(t, "the witness refuses the token of every ended session", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, a := range w.ended {
			if a.refused == 0 && a.odd == nil {
				return false
			}
		}
		return true
	})
	close(w.done)
	w.watching.Wait()
	var took []time.Duration
	late, revived := 0, 0
	for _, a := range w.ended {
		switch {
		case a.odd != nil:
			t.Errorf("the token of a session that ended at %s is refused: %v", a.ended, a.odd)
		case a.revived:
			revived++
			t.Errorf("R2: the token of a session that ended at %s was refused at %s, and valid again", a.ended, a.refused)
		}
		took = append(took, a.refused-a.ended)
		if a.refused-a.ended > 5*time.Second {
			late++
		}
	}
	t.Logf("a service behind the lists: %d sessions ended, refused after p50 %s, p99 %s, max %s; %d later than 5 s (while its links and stores were broken); valid again: %d (goal 0)",
		len(took), milliseconds(percentile(took, .5)), milliseconds(percentile(took, .99)), milliseconds(percentile(took, 1)), late, revived)
}

package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/revocation"
)

const (
	statusListType = "application/statuslist+jwt" // draft-ietf-oauth-status-list §8.2
	// A cache may store a list but must revalidate it: the caller wants to know what has been
	// revoked by now.
	statusListCache = "public, no-cache"

	// longestWait is how long a request may wait for a list to change, below what the
	// server and proxies give an answer; maxWaiters how many do.
	longestWait = 25
	maxWaiters  = 4000
	// waitSlack is what the read deadline, which would end the wait, is set beyond it.
	waitSlack = 10 * time.Second

	// maxIfNoneMatch has room for a dozen tags of ours, in octets.
	maxIfNoneMatch = 1 << 10
)

// statusList is GET /oauth/status-lists/{n}: the list, or 304 while the caller has it. With
// ?wait the 304 comes after that many seconds, and a list that changes in between at once.
func (s *Server) statusList(c *gin.Context) error {
	if c.Request.ContentLength != 0 { // a wait would end with the octets of a body that is not read
		c.Header("Connection", "close")
		return errRequest
	}
	query, err := url.ParseQuery(c.Request.URL.RawQuery)
	if err != nil {
		return errRequest
	}
	if query.Has("time") { // history (§8.4) is not served: no service needs to know when a session ended
		return errHistory
	}
	wait, err := waitOf(query)
	if err != nil {
		return err
	}
	n, err := listNumber(c.Param("n"))
	if err != nil {
		return err
	}
	held, err := heldOf(c.Request.Header)
	if err != nil {
		return err
	}
	list, fresh, err := s.newer(c, n, held, wait)
	switch {
	case errors.Is(err, revocation.ErrUnknown):
		return errNotFound
	case errors.Is(err, revocation.ErrStale):
		c.Header("Connection", "close") // another replica may know, and the balancer choose it
		return err
	case err != nil:
		return err
	}
	c.Header("Cache-Control", statusListCache)
	c.Header("ETag", list.ETag)
	if !fresh {
		c.Status(http.StatusNotModified)
		c.Writer.WriteHeaderNow()
		return nil
	}
	c.Data(http.StatusOK, statusListType, []byte(list.Token))
	return nil
}

// newer returns list n unless it is known, for which it waits. Who has another list
// gets this one at once, and so needs no place among those that wait. Who finds none
// hears at once that the list is unchanged, as if it had not asked to wait: the worst
// that many waiters can do to others is that they poll.
func (s *Server) newer(c *gin.Context, n int, held revocation.Held, wait time.Duration) (revocation.List, bool, error) {
	list, fresh, err := s.Lists.Newer(c.Request.Context(), n, held, 0)
	if err != nil || fresh || wait == 0 {
		return list, fresh, err
	}
	subscriber := limitAddress(s.addressOf(c))
	if !s.waiters.take(subscriber) {
		return list, false, nil
	}
	defer s.waiters.leave(subscriber)
	// The read deadline is meant for requests that are read, and would end this one.
	if err := http.NewResponseController(c.Writer).SetReadDeadline(time.Now().Add(wait + waitSlack)); err != nil {
		return revocation.List{}, false, err
	}
	return s.Lists.Newer(c.Request.Context(), n, held, wait)
}

// statusLists is GET /oauth/status-lists: which lists there are, for verifiers that
// want them before the first token (draft-ietf-oauth-status-list §9).
func (s *Server) statusLists(c *gin.Context) error {
	uris, err := s.Lists.URIs()
	if err != nil {
		return err
	}
	body, err := json.Marshal(statusListAggregation{StatusLists: uris})
	if err != nil {
		return fmt.Errorf("render status list aggregation: %w", err)
	}
	writeDocument(c, newDocument(jsonType, body))
	return nil
}

type statusListAggregation struct {
	StatusLists []string `json:"status_lists"`
}

// waitOf reads ?wait, whole seconds from 0 to longestWait; without it the request does not
// wait.
func waitOf(query url.Values) (time.Duration, error) {
	values, ok := query["wait"]
	if !ok {
		return 0, nil
	}
	seconds, err := strconv.Atoi(values[0])
	if err != nil || len(values) > 1 || seconds < 0 || seconds > longestWait || strconv.Itoa(seconds) != values[0] {
		return 0, errWait
	}
	return time.Duration(seconds) * time.Second, nil
}

// heldOf reads which lists the caller has, and lets go of the text: requests wait for
// long, and there may be thousands.
func heldOf(header http.Header) (revocation.Held, error) {
	text := strings.Join(header.Values("If-None-Match"), ",")
	header.Del("If-None-Match")
	if len(text) > maxIfNoneMatch {
		return revocation.Held{}, errIfNoneMatch
	}
	return revocation.ParseHeld(text), nil
}

// listNumber reads the number of a list, of which there is one spelling.
func listNumber(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || strconv.Itoa(n) != text {
		return 0, errNotFound
	}
	return n, nil
}

// Waiting is how many requests wait for a status list to change.
func (s *Server) Waiting() int { return s.waiters.taken() }

package httpapi

import (
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// listedSessions is the data of a listing.
type listedSessions struct {
	Sessions []listedSession `json:"sessions"`
}

type listedSession struct {
	ID         string `json:"id"`
	Client     string `json:"client"`
	CreatedAt  string `json:"createdAt"`  // RFC 3339
	LastSeenAt string `json:"lastSeenAt"` // RFC 3339; written about once an hour
	Address    string `json:"address"`    // of the login
	UserAgent  string `json:"userAgent"`
	Current    bool   `json:"current"`
}

// listSessions is GET /api/authentication/sessions. It changes nothing, so an
// access token will do, which every resource service sees.
func (s *Server) listSessions(c *gin.Context, by firstPartyRequest) error {
	raw, err := bearerToken(c.Request.Header)
	if err != nil {
		return err
	}
	own, err := s.Authority.OwnSessions(c.Request.Context(), by.Caller, raw)
	if err != nil {
		return err
	}
	data := listedSessions{Sessions: make([]listedSession, 0, len(own))}
	for _, one := range own {
		data.Sessions = append(data.Sessions, listedSession{
			ID: one.ID, Client: one.ClientID, Current: one.Current,
			CreatedAt: one.CreatedAt.Format(time.RFC3339), LastSeenAt: one.LastSeenAt.Format(time.RFC3339),
			Address: one.Address, UserAgent: one.UserAgent,
		})
	}
	writeEnvelope(c, http.StatusOK, sessionsListed, data)
	return nil
}

// endSession is DELETE /api/authentication/sessions/{sid}.
func (s *Server) endSession(c *gin.Context, by firstPartyRequest) error {
	pair, err := readPair(c)
	if err != nil {
		return err
	}
	if err := s.Authority.EndSession(c.Request.Context(), by.Caller, pair, c.Param("sid")); err != nil {
		return err
	}
	writeEnvelope(c, http.StatusOK, sessionEnded, nil)
	return nil
}

// endOtherSessions is DELETE /api/authentication/sessions.
func (s *Server) endOtherSessions(c *gin.Context, by firstPartyRequest) error {
	pair, err := readPair(c)
	if err != nil {
		return err
	}
	if err := s.Authority.EndOtherSessions(c.Request.Context(), by.Caller, pair); err != nil {
		return err
	}
	writeEnvelope(c, http.StatusOK, othersEnded, nil)
	return nil
}

// bearerToken returns the token of the Authorization header (RFC 6750 §2.1). One in
// the URL or in a body is never looked at: those end up in logs and histories.
func bearerToken(header http.Header) (string, error) {
	values := header.Values("Authorization")
	if len(values) > 1 {
		return "", errBearers
	}
	scheme, raw, _ := strings.Cut(strings.Join(values, ""), " ")
	raw = strings.Trim(raw, " ")
	if !strings.EqualFold(scheme, "Bearer") || raw == "" { // the scheme in any case: RFC 9110 §11.1
		return "", errNoBearer
	}
	return raw, nil
}

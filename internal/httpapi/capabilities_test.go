package httpapi

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/oauth"
)

// TestWhatIsAdvertisedIsRouted and what is routed below /oauth/ is advertised.
func TestWhatIsAdvertisedIsRouted(t *testing.T) {
	t.Parallel()
	const issuer = "https://auth.example.com"
	body, err := oauth.Metadata(issuer, oauth.Capabilities{GrantTypes: []string{oauth.GrantRefreshToken}, AuthMethods: []string{"none"}})
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(body, &members); err != nil {
		t.Fatal(err)
	}
	var routed, advertised []string
	for _, r := range PublicRoutes() {
		routed = append(routed, r.Path)
	}
	for name, value := range members {
		if path, ok := strings.CutPrefix(asText(value), issuer); ok && path != "" {
			advertised = append(advertised, path)
			if !slices.Contains(routed, path) {
				t.Errorf("%s names %s, which is not routed", name, path)
			}
		}
	}
	for _, path := range routed {
		if strings.HasPrefix(path, "/oauth/") && !strings.Contains(path, "{") && !slices.Contains(advertised, path) {
			t.Errorf("%s is routed, but not advertised", path)
		}
	}
}

func asText(value any) string {
	text, _ := value.(string)
	return text
}

// TestTheGrantsOfTheTokenEndpointAreThoseOfTheCapabilities: one that is not offered is
// unsupported, though its code is there.
func TestTheGrantsOfTheTokenEndpointAreThoseOfTheCapabilities(t *testing.T) {
	t.Parallel()
	s := &Server{} // which offers nothing
	s.granting = s.offered()
	form, err := oauth.ParseForm("grant_type=" + s.grants()[0].grantType)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.grantOf(clientRequest{form: form}); err == nil || answerTo(err).code != oauth.UnsupportedGrantType {
		t.Errorf("a grant that is not offered: %v", err)
	}
}

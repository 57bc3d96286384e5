package httpapi

import (
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/oauth"
)

// firstPartyPrefix is where letter case is ignored, as the API's ASP.NET ancestors did.
const firstPartyPrefix = "/api/authentication/"

// publicSurfaces are what anybody reaches; api/openapi.yaml describes them. The last one
// answers for every path that is nobody's.
func (s *Server) publicSurfaces() surfaces {
	return surfaces{
		{firstPartyPrefix, apiHeaders, refuseInEnvelope, s.firstPartyRoutes()},
		{"/oauth/", apiHeaders, refuseInOAuth, s.oauthRoutes()},
		{"/", apiHeaders, refuseInOAuth, s.documentRoutes()},
	}
}

func (s *Server) firstPartyRoutes() []route {
	perClient := perClient[authority.Caller](s)
	return []route{
		{"POST", firstPartyPrefix + "register", smallest, listedOrigins, admit(s.firstParty, s.perAddress("register", s.Rates.Register), s.register)},
		{"POST", firstPartyPrefix + "login", smallest, listedOrigins, admit(s.firstParty, s.perAddress("login", s.Rates.Login), s.login)},
		{"POST", firstPartyPrefix + "refresh-token", smallest, listedOrigins, admit(s.firstParty, perClient, s.refreshPair)},
		{"POST", firstPartyPrefix + "logout", smallest, listedOrigins, admit(s.firstParty, perClient, s.logout)},
		{"GET", firstPartyPrefix + "sessions", noBody, listedOrigins, admit(s.firstParty, perClient, s.listSessions)},
		{"DELETE", firstPartyPrefix + "sessions", smallest, listedOrigins, admit(s.firstParty, perClient, s.endOtherSessions)},
		{"DELETE", firstPartyPrefix + "sessions/:sid", smallest, listedOrigins, admit(s.firstParty, perClient, s.endSession)},
	}
}

func (s *Server) oauthRoutes() []route {
	perClient := perClient[clientRequest](s)
	return []route{
		{"POST", oauth.TokenPath, smallest, listedOrigins, admit(s.oauthClient, perClient, s.token)},
		{"POST", oauth.RevocationPath, smallest, listedOrigins, admit(s.oauthClient, perClient, s.revoke)},
		{"GET", oauth.StatusListsPath, noBody, anyOrigin, public(s.statusLists)},
		{"GET", oauth.StatusListsPath + "/:n", noBody, anyOrigin, public(s.statusList)},
	}
}

func (s *Server) documentRoutes() []route {
	return []route{
		{"GET", oauth.JWKSPath, noBody, anyOrigin, public(s.jwks)},
		{"GET", oauth.DiscoveryPath, noBody, anyOrigin, public(s.metadataDocument)},
		{"GET", oauth.MetadataPath, noBody, anyOrigin, public(s.metadataDocument)},
		{"GET", oauth.DocumentationPath, noBody, anyOrigin, public(s.openapiDocument)},
		{"GET", "/livez", noBody, noOrigin, public(s.livez)},
		{"GET", "/readyz", noBody, noOrigin, public(s.readyz)},
	}
}

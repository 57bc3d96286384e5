package httpapi

import (
	"github.com/mintmark-auth/mintmark/internal/httpapi/guard"
	"github.com/mintmark-auth/mintmark/internal/oauth"
)

// firstPartyPrefix is where letter case is ignored, as the API's ASP.NET ancestors did.
const firstPartyPrefix = "/api/authentication/"

// publicSurfaces are the surfaces of the public listener; api/openapi.yaml describes them. The
// last one answers for every path without a route.
func (s *Server) publicSurfaces() surfaces {
	return surfaces{
		{firstPartyPrefix, apiHeaders, refuseInEnvelope, s.firstPartyRoutes()},
		{"/oauth/", apiHeaders, refuseInOAuth, s.oauthRoutes()},
		{"/", apiHeaders, refuseInOAuth, s.documentRoutes()},
	}
}

func (s *Server) firstPartyRoutes() []route {
	limit := perClient[firstPartyRequest](s)
	return []route{
		{"POST", firstPartyPrefix + "register", smallest, listedOrigins, guard.Admit(s.firstParty, s.perAddress("register", s.Rates.Register), s.register)},
		{"POST", firstPartyPrefix + "login", smallest, listedOrigins, guard.Admit(s.firstParty, s.perAddress("login", s.Rates.Login), s.login)},
		{"POST", firstPartyPrefix + "refresh-token", smallest, listedOrigins, guard.Admit(s.firstParty, limit, s.refreshPair)},
		{"POST", firstPartyPrefix + "logout", smallest, listedOrigins, guard.Admit(s.firstParty, limit, s.logout)},
		{"GET", firstPartyPrefix + "sessions", noBody, listedOrigins, guard.Admit(s.firstParty, limit, s.listSessions)},
		{"DELETE", firstPartyPrefix + "sessions", smallest, listedOrigins, guard.Admit(s.firstParty, limit, s.endOtherSessions)},
		{"DELETE", firstPartyPrefix + "sessions/:sid", smallest, listedOrigins, guard.Admit(s.firstParty, limit, s.endSession)},
	}
}

func (s *Server) oauthRoutes() []route {
	limit := perClient[clientRequest](s)
	return []route{
		{"POST", oauth.TokenPath, smallest, anyOrigin, guard.Admit(s.oauthClient, limit, s.token)},
		{"POST", oauth.RevocationPath, smallest, anyOrigin, guard.Admit(s.oauthClient, limit, s.revoke)},
		{"GET", oauth.StatusListsPath, noBody, anyOrigin, guard.Public(s.statusLists)},
		{"GET", oauth.StatusListsPath + "/:n", noBody, anyOrigin, guard.Public(s.statusList)},
	}
}

func (s *Server) documentRoutes() []route {
	return []route{
		{"GET", oauth.JWKSPath, noBody, anyOrigin, guard.Public(s.jwks)},
		{"GET", oauth.DiscoveryPath, noBody, anyOrigin, guard.Public(s.metadataDocument)},
		{"GET", oauth.MetadataPath, noBody, anyOrigin, guard.Public(s.metadataDocument)},
		{"GET", oauth.DocumentationPath, noBody, anyOrigin, guard.Public(s.openapiDocument)},
		{"GET", "/livez", noBody, noOrigin, guard.Public(s.livez)},
		{"GET", "/readyz", noBody, noOrigin, guard.Public(s.readyz)},
	}
}

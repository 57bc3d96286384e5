package httpapi

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/httpapi/guard"
)

// surface is a group of routes whose answers look alike. A request that no route takes is
// answered by the surface whose prefix its path has.
type surface struct {
	prefix  string
	headers func(http.Header)               // adds to what every answer carries, or replaces it
	refuse  func(c *gin.Context, a refusal) // spells an error
	routes  []route
}

// route is one row of a table. Its handler comes from guard.Admit, with a guard and a limit.
type route struct {
	method string
	path   string
	body   int64 // the largest request body in bytes
	cors   cors
	handle guard.Handler
}

// cors says which origins a browser may call from.
type cors int

const (
	noOrigin      cors = iota
	anyOrigin          // public documents, and endpoints of OAuth, where nothing depends on who the browser is
	listedOrigins      // MINTMARK_CORS_ORIGINS
)

const (
	noBody   = 0
	smallest = 64 << 10 // every body of the public surfaces fits many times
)

// surfaces are all that one listener serves. Of the surfaces whose prefix a path has, the
// first one answers.
type surfaces []*surface

// of returns the surface that answers for a path.
func (all surfaces) of(path string) *surface {
	for _, one := range all {
		if strings.HasPrefix(path, one.prefix) {
			return one
		}
	}
	return all[len(all)-1]
}

// engine makes a router of the surfaces.
func (s *Server) engine(all surfaces, hosts Hosts) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false
	engine.RedirectFixedPath = false
	policies := make(map[string]cors) // by path, for the routes that pages of other origins may call
	engine.Use(s.observe, s.choose(all), s.letRead(policies), s.recover, s.shield, s.misdirect(hosts))
	engine.NoRoute(func(c *gin.Context) { s.answerError(c, errNotFound) })
	engine.NoMethod(func(c *gin.Context) { s.answerError(c, errMethod) })
	asked := make(map[string][]route) // those routes, by path
	for _, one := range all {
		for _, r := range one.routes {
			if r.handle.Zero() || all.of(r.path) != one {
				panic("httpapi: " + r.method + " " + r.path + " has no guard, or the prefix of another surface")
			}
			for _, method := range r.methods() {
				engine.Handle(method, r.path, s.handle(r))
			}
			if r.cors != noOrigin {
				asked[r.path], policies[r.path] = append(asked[r.path], r), r.cors
			}
		}
	}
	for path, routes := range asked {
		engine.Handle(http.MethodOptions, path, s.preflight(routes))
	}
	return engine
}

const surfaceKey = "mintmark.surface"

// choose notes which surface answers.
func (s *Server) choose(all surfaces) gin.HandlerFunc {
	return func(c *gin.Context) { c.Set(surfaceKey, all.of(c.Request.URL.Path)) }
}

func surfaceOf(c *gin.Context) *surface {
	return c.MustGet(surfaceKey).(*surface)
}

// handle answers the requests of a route: the steps are the same for all routes.
func (s *Server) handle(r route) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, r.body)
		if err := r.handle.Serve(c); err != nil {
			s.answerError(c, err)
		}
	}
}

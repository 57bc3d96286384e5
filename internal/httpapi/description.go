package httpapi

import (
	"net/http"
	"strings"
)

// Route is one operation of a surface, as the documentation of it names them: a
// parameter of the path in braces.
type Route struct {
	Method string
	Path   string
}

// PublicRoutes lists the operations of the public listener. Preflight requests are
// answered besides, for all paths alike.
func PublicRoutes() []Route {
	var operations []Route
	for _, one := range (&Server{}).publicSurfaces() {
		for _, r := range one.routes {
			for _, method := range r.methods() {
				operations = append(operations, Route{Method: method, Path: documented(r.path)})
			}
		}
	}
	return operations
}

// documented writes a path as OpenAPI does, {name} for the router's :name.
func documented(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		if name, ok := strings.CutPrefix(segment, ":"); ok {
			segments[i] = "{" + name + "}"
		}
	}
	return strings.Join(segments, "/")
}

// methods lists what the route answers to: a caller that may GET may ask for the header
// fields alone (RFC 9110 §9.3.2).
func (r route) methods() []string {
	if r.method == http.MethodGet {
		return []string{http.MethodGet, http.MethodHead}
	}
	return []string{r.method}
}

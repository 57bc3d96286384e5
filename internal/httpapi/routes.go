package httpapi

import "net/http"

// Route is one operation of a surface, as the documentation of it names them.
type Route struct {
	Method string
	Path   string
}

// PublicRoutes lists the operations of the public listener. Preflight requests are
// answered besides, for all paths alike.
func PublicRoutes() []Route {
	var operations []Route
	for _, r := range (&Server{}).publicRoutes() {
		for _, method := range r.methods() {
			operations = append(operations, Route{Method: method, Path: r.path})
		}
	}
	return operations
}

// methods lists what the route answers to: whoever may GET may ask for the header
// fields alone (RFC 9110 §9.3.2).
func (r route) methods() []string {
	if r.method == http.MethodGet {
		return []string{http.MethodGet, http.MethodHead}
	}
	return []string{r.method}
}

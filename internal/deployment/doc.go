// Package deployment holds the files that operators start from, the Dockerfile, deploy/compose.yaml and
// deploy/nginx.conf, against the parsers of those who will read them: BuildKit's, Docker Compose's and nginx's. It is
// a module of its own for the sake of their libraries, and starts no container.
package deployment

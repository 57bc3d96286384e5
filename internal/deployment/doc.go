// Package deployment checks the files that operators start from (the Dockerfile, deploy/compose.yaml and
// deploy/nginx.conf) with the parsers of BuildKit, Docker Compose and nginx. It is a module of its own because of their
// libraries. It starts no container.
package deployment

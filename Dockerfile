# Build: docker build -t mintmark .
# Try:   docker run --rm --name mintmark -p 127.0.0.1:8080:8080 -e MINTMARK_HTTP_ADDR=0.0.0.0:8080 \
#          -e MINTMARK_INSECURE_PLAIN_HTTP=true -v mintmark:/var/lib/mintmark mintmark
# Registration is closed, as it listens beyond loopback. In another terminal:
#        echo 'violet tram seven umbrellas' |
#          docker exec -i mintmark /mintmark users create ada --email ada@example.com
# deploy/compose.yaml shows it with Postgres and Redis.

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
# The caches outlive a build: a changed line compiles what it changes, a changed dependency downloads that one.
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
# The folder .git comes along, so that `mintmark version` can name the commit.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    git config --global --add safe.directory /src && \
    CGO_ENABLED=0 go build -tags nomsgpack -trimpath -ldflags="-s -w" -o /out/mintmark ./cmd/mintmark && \
    mkdir -p /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/mintmark /mintmark
# A new volume mounted here takes over this owner, so embedded mode can write to it.
COPY --from=build --chown=65532:65532 /out/data /var/lib/mintmark
ENV MINTMARK_DATA_DIR=/var/lib/mintmark
WORKDIR /var/lib/mintmark
# By number, so that Kubernetes' runAsNonRoot can tell.
USER 65532:65532
EXPOSE 8080 9090
ENTRYPOINT ["/mintmark"]
CMD ["serve"]

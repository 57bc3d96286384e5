package e2e_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// readmeToken runs the README's lines against a fresh authority and returns the last access token that they print.
func readmeToken(t *testing.T) (a *process, token string) {
	t.Helper()
	a = spawn(t, "MINTMARK_DATA_DIR="+filepath.Join(t.TempDir(), "data"), "MINTMARK_ACCESS_TOKEN_TTL=1h") // not on a slow machine, either
	lines := strings.ReplaceAll(shellBlocks(pageText(t, "README.md")), "localhost:8080", strings.TrimPrefix(a.URL, "http://"))
	said, err := exec.CommandContext(t.Context(), "sh", "-euc", lines).Output()
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`"accessToken":"([^"]+)"`).FindAllStringSubmatch(string(said), -1)
	if len(found) != 2 {
		t.Fatalf("the lines printed %d tokens, want that of the login and that of the refresh:\n%s", len(found), said)
	}
	return a, found[1][1]
}

func pageText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// firstBlock is the first block of a page in a language, from a heading on.
func firstBlock(t *testing.T, page, heading, language string) string {
	t.Helper()
	_, below, ok := strings.Cut("\n"+pageText(t, page), "\n"+heading)
	if !ok {
		t.Fatalf("%s has no %q", page, heading)
	}
	for _, b := range fences(below) {
		if b.language == language {
			return b.text
		}
	}
	t.Fatalf("%s has no block of %s under %q", page, language, heading)
	return ""
}

// ginService and grpcService are the services around the blocks of docs/verify/go-adapters.md.
const (
	ginService = `package main

import (
	"fmt"
	"net"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/mintmark-auth/mintmark/pkg/verifier"
	"github.com/mintmark-auth/mintmark/pkg/verifier/verifiergin"
)

func main() {
	VERIFIER
	if err != nil {
		panic(err)
	}
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	BLOCK
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	panic(http.Serve(listener, router))
}
`
	grpcService = `package main

import (
	"context"
	"fmt"
	"net"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
	"github.com/mintmark-auth/mintmark/pkg/verifier/verifiergrpc"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func list(_ any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
	var in wrapperspb.StringValue
	if err := decode(&in); err != nil {
		return nil, err
	}
	return intercept(ctx, &in, &grpc.UnaryServerInfo{FullMethod: "/orders.v1.Orders/List"}, func(ctx context.Context, _ any) (any, error) {
		return wrapperspb.String("orders of " + verifier.FromContext(ctx).Subject), nil
	})
}

func main() {
	VERIFIER
	if err != nil {
		panic(err)
	}
	BLOCK
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "orders.v1.Orders", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{MethodName: "List", Handler: list}},
	}, nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	panic(server.Serve(listener))
}
`
)

// TestTheFirstExampleOfEachPageAcceptsATokenOfTheReadme: what a reader copies first must work with what they have.
func TestTheFirstExampleOfEachPageAcceptsATokenOfTheReadme(t *testing.T) {
	t.Parallel()
	a, token := readmeToken(t)
	setUp, _, _ := strings.Cut(firstBlock(t, "docs/verify/go.md", "# ", "go"), "\n")
	program := func(around, heading string) string {
		block := firstBlock(t, "docs/verify/go-adapters.md", heading, "go")
		return strings.NewReplacer("VERIFIER", setUp, "BLOCK", block).Replace(around)
	}
	readme := strings.SplitAfter(firstBlock(t, "README.md", "## Check tokens", "go"), "\n")
	for name, start := range map[string]func(t *testing.T) string{
		"README": func(t *testing.T) string {
			t.Helper()
			return startProgram(t, strings.NewReplacer("HANDLER", readme[2], "VERIFIER", readme[0]+readme[1], "POLICY", "_ = pay").Replace(goService), a.Issuer) + "/orders"
		},
		"Go": func(t *testing.T) string { t.Helper(); return startGoPage(t, a.Issuer) + "/orders" },
		"Gin": func(t *testing.T) string {
			t.Helper()
			return startProgram(t, program(ginService, "## Gin"), a.Issuer) + "/orders"
		},
		"Node.js": func(t *testing.T) string {
			t.Helper()
			r := recipes(t)["Node.js"]
			service, _ := r.run(t, r.folder(t, "## Revocation"), "ISSUER="+a.Issuer)
			return service
		},
		"Python": func(t *testing.T) string {
			t.Helper()
			r := recipes(t)["Python"]
			service, _ := r.run(t, r.folder(t, "## Revocation"), "ISSUER="+a.Issuer)
			return service
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := start(t)
			eventually(t, func() bool { return bearing(t, service, token).Status != 503 }) // on a busy machine the keys come late
			if got := bearing(t, service, token); got.Status != 200 || !strings.HasPrefix(string(got.Body), "orders of ") {
				t.Errorf("%d %s, %s; want 200 and the orders", got.Status, got.Body, got.Header.Get("WWW-Authenticate"))
			}
			if got := bearing(t, service, token[:len(token)-8]+"AAAAAAAA"); got.Status != 401 {
				t.Errorf("%d for a token that nobody signed, want 401", got.Status)
			}
		})
	}
	t.Run("gRPC", func(t *testing.T) {
		t.Parallel()
		service := strings.TrimPrefix(startProgram(t, program(grpcService, "## gRPC"), a.Issuer), "http://")
		client, err := grpc.NewClient(service, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token), patience)
		defer cancel()
		var orders wrapperspb.StringValue
		eventually(t, func() bool {
			err = client.Invoke(ctx, "/orders.v1.Orders/List", wrapperspb.String(""), &orders)
			return err == nil || !strings.Contains(err.Error(), "Unavailable")
		})
		if err != nil || !strings.HasPrefix(orders.GetValue(), "orders of ") {
			t.Errorf("%q, %v; want the orders", orders.GetValue(), err)
		}
		if err := client.Invoke(t.Context(), "/orders.v1.Orders/List", wrapperspb.String(""), &orders); err == nil {
			t.Error("a call without a token passed")
		}
	})
}

// TestTheFirstExamplesAskForWhatATokenHas reads the pages whose services can't be run here, and the docs of the packages.
// A scope or another audience in a first example would refuse every token.
func TestTheFirstExamplesAskForWhatATokenHas(t *testing.T) {
	t.Parallel()
	_, token := readmeToken(t)
	_, payload, _ := strings.Cut(token, ".")
	payload, _, _ = strings.Cut(payload, ".")
	decoded, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(decoded, &claims); err != nil {
		t.Fatal(err)
	}
	if _, scoped := claims["scope"]; scoped || claims["aud"] != claims["iss"] {
		t.Fatalf("a token has the audience %v of %v, and a scope: %v; the pages say otherwise", claims["aud"], claims["iss"], scoped)
	}

	for page, say := range map[string]struct {
		language string
		audience string // how this product is told its audience
	}{
		"aspnet.md": {"csharp", `options.Audience = "https://auth.example.com";`},
		"spring.md": {"yaml", "audiences: https://auth.example.com "},
		"envoy.md":  {"yaml", "audiences: [https://auth.example.com] "},
		"istio.md":  {"yaml", "audiences: [https://auth.example.com] "},
		"kong.md":   {"yaml", "audience_required: [https://auth.example.com] "},
		"nginx.md":  {"nginx", `"~(^|,)https://auth\.example\.com(,|$)" 1;`},
	} {
		heading := "# "
		if page == "nginx.md" {
			heading = "## NGINX Plus" // the free one asks a service of another page
		}
		first := firstBlock(t, "docs/verify/"+page, heading, say.language)
		if !strings.Contains(first, say.audience) {
			t.Errorf("%s: its first example does not say %s", page, say.audience)
		}
		wantNoScope(t, page, first)
	}
	wantNoScope(t, "spring.md", firstBlock(t, "docs/verify/spring.md", "# ", "java"))
	for _, file := range []string{"verifier/doc.go", "verifier/verifiergin/verifiergin.go", "verifier/verifiergrpc/verifiergrpc.go"} {
		doc, _, _ := strings.Cut(pageText(t, "pkg/"+file), "\npackage ")
		wantNoScope(t, file, doc)
	}
}

// wantNoScope minds a scope that is required, not the word in a comment.
func wantNoScope(t *testing.T, where, text string) {
	t.Helper()
	if found := regexp.MustCompile(`orders:\w+|SCOPE_\w+|scopes?_required|claims\[scope\]|\{key: scope\}|orders\.example\.com`).FindString(text); found != "" {
		t.Errorf("%s: the first example has %s, and no token of today has that", where, found)
	}
}

// TestARecipeSaysWhyItRefusesAtDebugLevel, to who runs the service, and never the token.
func TestARecipeSaysWhyItRefusesAtDebugLevel(t *testing.T) {
	t.Parallel()
	a := startEmbedded(t, "MINTMARK_ACCESS_TOKEN_TTL=1h")
	a.register(t, testUser)
	token := a.login(t, testUser).Access
	parts := strings.Split(token, ".")
	nobodys := strings.Join([]string{parts[0], parts[1], strings.Repeat("A", len(parts[2]))}, ".")
	odd := "no" + parts[1]
	for name, reasons := range map[string]struct{ audience, signature string }{
		"Node.js": {`401: 'unexpected "aud" claim value'`, `401: 'signature verification failed'`},
		"Python":  {"udience", `401 Unauthorized: 'Signature verification failed'`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := recipes(t)[name]
			folder := r.folder(t, "## Revocation")
			for _, level := range []string{"NODE_DEBUG=verify", "LOG_LEVEL=DEBUG", "LOG_LEVEL=INFO"} {
				told := level != "LOG_LEVEL=INFO" && (level == "NODE_DEBUG=verify") == (name == "Node.js")
				service, log := r.run(t, folder, "ISSUER="+a.Issuer, "AUDIENCE=https://other.example.com", level)
				for _, sent := range []string{token, nobodys, odd, ""} {
					if got := bearing(t, service, sent); got.Status != 401 {
						t.Errorf("%s: %d, want 401", level, got.Status)
					}
				}
				if told {
					eventually(t, func() bool { return strings.Contains(log.String(), "no token") }) // what comes last
				}
				said := log.String()
				for _, reason := range []string{reasons.audience, reasons.signature, "not three parts of base64url"} {
					if strings.Contains(unquoted(said), unquoted(reason)) != told {
						t.Errorf("%s: it says\n%s\nwant %s: %v", level, said, reason, told)
					}
				}
				for _, part := range append(parts, odd) {
					if strings.Contains(said, part) {
						t.Errorf("%s: it says a part of the token:\n%s", level, said)
					}
				}
			}
		})
	}
}

// unquoted leaves the quotation to each language.
func unquoted(text string) string {
	return strings.NewReplacer(`\"`, "", `"`, "", `'`, "").Replace(text)
}

package deployment_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

const root = "../.."

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func stages(t *testing.T) []instructions.Stage {
	t.Helper()
	parsed, err := parser.Parse(bytes.NewReader(read(t, "Dockerfile")))
	if err != nil {
		t.Fatal(err)
	}
	for _, warning := range parsed.Warnings {
		t.Errorf("line %v: %s", warning.Location, warning.Short)
	}
	found, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 2 {
		t.Fatalf("got %d stages, want build and what is shipped", len(found))
	}
	return found
}

// TestTheDockerfileDownloadsModulesBeforeItCopiesTheSource, or every change of a line downloads and compiles all of it.
func TestTheDockerfileDownloadsModulesBeforeItCopiesTheSource(t *testing.T) {
	t.Parallel()
	var order []string
	for _, command := range stages(t)[0].Commands {
		switch command := command.(type) {
		case *instructions.CopyCommand:
			order = append(order, "copy "+strings.Join(command.SourcePaths, " "))
		case *instructions.RunCommand:
			line := strings.Join(command.CmdLine, " ")
			for _, verb := range []string{"go mod download", "go build"} {
				if strings.Contains(line, verb) {
					order = append(order, verb)
					wantCaches(t, command, verb)
				}
			}
		}
	}
	if want := []string{"copy go.mod go.sum", "go mod download", "copy .", "go build"}; !slices.Equal(order, want) {
		t.Errorf("got %q, want %q", order, want)
	}
}

// wantCaches holds a RUN to the caches that outlive it: of modules, and where it builds, of what was built.
func wantCaches(t *testing.T, run *instructions.RunCommand, verb string) {
	t.Helper()
	if err := run.Expand(func(word string) (string, error) { return word, nil }); err != nil {
		t.Fatal(err)
	}
	var caches []string
	for _, mount := range instructions.GetMounts(run) {
		if mount.Type == instructions.MountTypeCache {
			caches = append(caches, mount.Target)
		}
	}
	want := []string{"/go/pkg/mod"}
	if verb == "go build" {
		want = append(want, "/root/.cache/go-build")
	}
	if !slices.Equal(caches, want) {
		t.Errorf("%s: got caches %q, want %q", verb, caches, want)
	}
}

// TestTheImageRunsAsNobodyAndContainsNothingElse than the binary, the certificates it trusts and a folder for its data.
func TestTheImageRunsAsNobodyAndContainsNothingElse(t *testing.T) {
	t.Parallel()
	shipped := stages(t)[1]
	if shipped.BaseName != "scratch" {
		t.Errorf("it is built on %s, want scratch", shipped.BaseName)
	}
	var user string
	var entrypoint, copied []string
	for _, command := range shipped.Commands {
		switch command := command.(type) {
		case *instructions.UserCommand:
			user = command.User
		case *instructions.EntrypointCommand:
			entrypoint = command.CmdLine
		case *instructions.CopyCommand:
			if command.From != "build" {
				t.Errorf("%s copies from %q, want from the stage build", command.Name(), command.From)
			}
			copied = append(copied, command.DestPath)
		}
	}
	if user != "65532:65532" || !slices.Equal(entrypoint, []string{"/mintmark"}) {
		t.Errorf("it runs %q as %q, want /mintmark as 65532:65532", entrypoint, user)
	}
	if want := []string{"/etc/ssl/certs/ca-certificates.crt", "/mintmark", "/var/lib/mintmark"}; !slices.Equal(copied, want) {
		t.Errorf("got %q, want %q", copied, want)
	}
}

func project(t *testing.T) *types.Project {
	t.Helper()
	details := types.ConfigDetails{
		WorkingDir:  filepath.Join(root, "deploy"),
		ConfigFiles: []types.ConfigFile{{Filename: "compose.yaml", Content: read(t, "deploy/compose.yaml")}},
		Environment: types.Mapping{}, // nobody's own variables
	}
	loaded, err := loader.LoadWithContext(context.Background(), details)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func TestComposeStartsWhatTheFileSays(t *testing.T) {
	t.Parallel()
	loaded := project(t)
	names := loaded.ServiceNames()
	slices.Sort(names)
	if want := []string{"balancer", "migrate", "mintmark", "postgres", "redis"}; !slices.Equal(names, want) {
		t.Fatalf("got services %q, want %q", names, want)
	}
	replicas := loaded.Services["mintmark"]
	if got := replicas.Deploy.Replicas; got == nil || *got != 2 {
		t.Errorf("got %v replicas, want 2", got)
	}
	if got := replicas.DependsOn["migrate"].Condition; got != types.ServiceConditionCompletedSuccessfully {
		t.Errorf("replicas start when migrate is %q, want it to be done", got)
	}
	for name, service := range loaded.Services {
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" || name != "balancer" {
				t.Errorf("%s publishes %s on %q, want the balancer on loopback alone", name, port.Published, port.HostIP)
			}
		}
	}
	for _, name := range []string{"migrate", "mintmark"} {
		service := loaded.Services[name]
		if !service.ReadOnly || !slices.Equal(service.CapDrop, []string{"ALL"}) || !slices.Equal(service.SecurityOpt, []string{"no-new-privileges:true"}) {
			t.Errorf("%s: read-only %v, drops %q, options %q", name, service.ReadOnly, service.CapDrop, service.SecurityOpt)
		}
	}
}

// TestTheReplicasTrustTheBalancerAlone ties the address that Compose gives it to the setting.
func TestTheReplicasTrustTheBalancerAlone(t *testing.T) {
	t.Parallel()
	loaded := project(t)
	address := loaded.Services["balancer"].Networks["inside"].Ipv4Address
	trusted := loaded.Services["mintmark"].Environment["MINTMARK_TRUSTED_PROXIES"]
	if trusted == nil {
		t.Fatal("the replicas trust no proxy")
	}
	if address == "" || *trusted != address+"/32" {
		t.Errorf("the replicas trust %s, the balancer is at %q", *trusted, address)
	}
}

// TestNginxTakesTheConfiguration asks nginx itself. Debian 12 has 1.22, which knows no "resolve" yet: to follow
// a name's addresses. Without a Docker there is no name "mintmark" either.
func TestNginxTakesTheConfiguration(t *testing.T) {
	t.Parallel()
	text := string(read(t, "deploy/nginx.conf"))
	const upstream = "server mintmark:8080 resolve "
	if got := strings.Count(text, upstream); got != 2 {
		t.Fatalf("%d upstreams follow their name, want 2", got)
	}
	folder := t.TempDir()
	text = standing(strings.ReplaceAll(text, upstream, "server 127.0.0.1:8080 "))
	if err := os.WriteFile(filepath.Join(folder, "nginx.conf"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	test := exec.CommandContext(t.Context(), nginx(t), "-t", "-q", "-e", "stderr", "-p", folder, "-c", "nginx.conf")
	if out, err := test.CombinedOutput(); err != nil {
		t.Errorf("nginx -t: %v\n%s", err, out)
	}
}

// standing is a configuration that needs no folder of nginx's own, which are for root alone.
func standing(text string) string {
	own := "http {\naccess_log off;\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		own += kind + "_temp_path " + kind + ";\n"
	}
	return "pid pid;\n" + strings.Replace(text, "http {\n", own, 1)
}

// nginx is found where Debian puts it, too, which is not on every user's PATH.
func nginx(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("no nginx is found: install it, as tools/test.sh does")
	return ""
}

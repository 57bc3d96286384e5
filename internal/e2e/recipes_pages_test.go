package e2e_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The pages whose configuration can't be run here are at least well-formed, and pin what must be pinned.
func TestTheConfigurationsOfTheRecipesPinIssuerAudienceAndKeys(t *testing.T) {
	t.Parallel()
	const (
		issuer   = "https://auth.example.com"
		audience = issuer // of today's tokens; README.md says so
		keys     = issuer + "/.well-known/jwks.json"
	)
	for page, want := range map[string]map[string]string{
		"spring.md": {"issuer-uri": issuer, "audiences": audience, "jwk-set-uri": keys, "jws-algorithms": "RS256"},
		"envoy.md":  {"issuer": issuer, "audiences": audience, "uri": keys, "require_expiration": "true", "exact": "at+jwt"},
		"istio.md":  {"issuer": issuer, "audiences": audience, "jwksUri": keys, "requestPrincipals": issuer + "/*"},
		"kong.md": {
			"issuers_allowed": issuer, "audience_required": audience, "issuer": issuer + "/.well-known/openid-configuration",
			"verify_signature": "true", "algorithm": "RS256", "auth_methods": "bearer",
		},
	} {
		found := make(map[string][]string)
		for _, b := range fences(recipePage(t, page)) {
			if b.language != "yaml" {
				continue
			}
			for documents := yaml.NewDecoder(strings.NewReader(b.text)); ; {
				var document any
				err := documents.Decode(&document)
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("%s: %v in\n%s", page, err, b.text)
				}
				collect(document, "", found)
			}
		}
		for key, value := range want {
			if !slices.Contains(found[key], value) {
				t.Errorf("%s: %s is %q, want %s among it", page, key, found[key], value)
			}
		}
	}
}

// collect notes the scalars of a document under the nearest key above them.
func collect(node any, key string, found map[string][]string) {
	switch node := node.(type) {
	case map[string]any:
		for k, v := range node {
			collect(v, k, found)
		}
	case []any:
		for _, v := range node {
			collect(v, key, found)
		}
	default:
		found[key] = append(found[key], fmt.Sprint(node))
	}
}

var (
	linkPattern    = regexp.MustCompile(`\]\(([^():]*?\.md)?(?:#([a-z0-9-]+))?\)`)
	headingPattern = regexp.MustCompile(`(?m)^#+ (.+)$`)
	noSlug         = regexp.MustCompile(`[^a-z0-9 -]`)
)

// TestTheLinksOfTheRecipesLeadSomewhere follows those to other pages and their headings.
func TestTheLinksOfTheRecipesLeadSomewhere(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../docs/verify/*.md")
	if err != nil || len(pages) < 10 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, page := range pages {
		for _, link := range linkPattern.FindAllStringSubmatch(recipePage(t, filepath.Base(page)), -1) {
			target := page
			if link[1] != "" {
				target = filepath.Join(filepath.Dir(page), link[1])
			}
			text, err := os.ReadFile(target)
			if err != nil {
				t.Errorf("%s: %v", page, err)
				continue
			}
			if link[2] != "" && !slices.Contains(anchors(string(text)), link[2]) {
				t.Errorf("%s: %s has no heading #%s", page, target, link[2])
			}
		}
	}
}

// anchors are the names that forges give to the headings of a page.
func anchors(page string) []string {
	var names []string
	for _, heading := range headingPattern.FindAllStringSubmatch(page, -1) {
		names = append(names, strings.ReplaceAll(noSlug.ReplaceAllString(strings.ToLower(heading[1]), ""), " ", "-"))
	}
	return names
}

// TestEveryRecipeIsReachedFromTheIndex finds a page that nobody would find.
func TestEveryRecipeIsReachedFromTheIndex(t *testing.T) {
	t.Parallel()
	reached := []string{"README.md"}
	for i := 0; i < len(reached); i++ {
		for _, link := range linkPattern.FindAllStringSubmatch(recipePage(t, reached[i]), -1) {
			if link[1] == filepath.Base(link[1]) && !slices.Contains(reached, link[1]) {
				reached = append(reached, link[1])
			}
		}
	}
	pages, err := filepath.Glob("../../docs/verify/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if name := filepath.Base(page); !slices.Contains(reached, name) {
			t.Errorf("no link leads from docs/verify/README.md to %s", name)
		}
	}
}

func recipePage(t *testing.T, name string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/verify/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

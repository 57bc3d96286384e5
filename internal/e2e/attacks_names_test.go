package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
)

func nameAttacks() []attack {
	return []attack{
		{"USR-25", "a name that reads as an id, an option or a path", misleadingNames},
		{"USR-26", "names that look alike, within one script and across scripts", lookalikes},
		{"USR-27", "common passwords in compatibility forms", compatibilityPasswords},
	}
}

// refusedRegistration is what a registration that is refused answers.
func (a *authority) refusedRegistration(t testing.TB, name, email, password string) (message string, errors []string) {
	t.Helper()
	got, e := a.firstParty(t, "register", map[string]string{"username": name, "email": email, "password": password})
	if got.Status != http.StatusBadRequest {
		t.Errorf("register %+q: %d %s, want 400", name, got.Status, e.Message)
	}
	if e.Data == nil {
		return e.Message, nil
	}
	return e.Message, e.Data.Errors
}

func misleadingNames(t *testing.T, a *authority) {
	a.register(t, "usr25")
	sub := subjectOf(t, a.tryLogin(t, "usr25", testPassword))
	bare := strings.ReplaceAll(sub, "-", "")
	for i, name := range []string{
		sub, strings.ToUpper(sub), bare, "{" + sub + "}", "urn:uuid:" + sub, uuid.NewString(), strings.ReplaceAll(sub, "0", "o"), "-", "-x", "--yes", ".", "..",
	} {
		message, errors := a.refusedRegistration(t, name, fmt.Sprintf("usr25-%d@example.com", i), testPassword)
		if message != "User creation failed." || len(errors) != 1 || !strings.HasPrefix(errors[0], "Username must not") {
			t.Errorf("%q: %q, %q", name, message, errors)
		}
	}
}

func lookalikes(t *testing.T, a *authority) {
	a.register(t, "Mike26")
	a.register(t, "apple")
	for i, name := range []string{"rnike26", "M1ke26", "аррӏе" /* Cyrillic */, "app1e", "appIe", "АРРӀЕ"} {
		if message, errors := a.refusedRegistration(t, name, fmt.Sprintf("usr26-%d@example.com", i), testPassword); message != "User already exists." || errors != nil {
			t.Errorf("%q: %q, %q", name, message, errors)
		}
	}
	a.register(t, "apply") // looks like nobody
}

func compatibilityPasswords(t *testing.T, a *authority) {
	for i, password := range []string{"ｐａｓｓｗｏｒｄ１２３４", "𝐩𝐚𝐬𝐬𝐰𝐨𝐫𝐝𝟏𝟐𝟑𝟒", "ⓠⓦⓔⓡⓣⓨⓤⓘⓞⓟ①②", "１２３４５６７８９０１２"} {
		name := fmt.Sprintf("usr27-%d", i)
		message, errors := a.refusedRegistration(t, name, name+"@example.com", password)
		if message != "User creation failed." || !slices.ContainsFunc(errors, func(e string) bool { return strings.Contains(e, "common") }) {
			t.Errorf("%q: %q, %q", password, message, errors)
		}
	}
}

package tokensource_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"golang.org/x/oauth2"

	"github.com/mintmark-auth/mintmark/pkg/tokensource"
)

// file keeps a pair where the next start of the program finds it.
type file string

func (f file) load() (*oauth2.Token, error) {
	text, err := os.ReadFile(string(f))
	if err != nil {
		return nil, err
	}
	var token oauth2.Token
	return &token, json.Unmarshal(text, &token)
}

// save replaces the file atomically: half a token would be useless.
func (f file) save(_ context.Context, token *oauth2.Token) error {
	text, err := json.Marshal(token)
	if err != nil {
		return err
	}
	next := string(f) + ".next"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return err
	}
	return os.Rename(next, string(f))
}

func Example() {
	authority, orders, kept, end := exampleServers()
	defer end()

	saved, err := kept.load()
	if err != nil {
		panic(err)
	}
	source, err := tokensource.New(tokensource.Config{
		TokenURL: authority.URL + "/oauth/token",
		ClientID: "first-party",
		Token:    saved,
		Save:     kept.save,
	})
	if err != nil {
		panic(err)
	}
	defer source.Close(context.Background()) // so that a pair on its way is saved

	transport, err := source.Transport(nil, orders.URL) // the token goes there and nowhere else
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: transport}

	response, err := client.Get(orders.URL)
	if errors.Is(err, tokensource.ErrEnded) {
		fmt.Println("log in again")
		return
	}
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	io.Copy(os.Stdout, response.Body)
	// Output: orders, for the bearer of access-2
}

// exampleServers are an authority and a service that do as little as an example needs, and a file with the pair of a
// login.
func exampleServers() (authority, orders *httptest.Server, kept file, end func()) {
	authority = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"access_token":"access-2","token_type":"Bearer","expires_in":300,"refresh_token":"refresh-2"}`)
	}))
	orders = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "orders, for the bearer of %s\n", r.Header.Get("Authorization")[len("Bearer "):])
	}))
	dir, err := os.MkdirTemp("", "tokensource")
	if err != nil {
		panic(err)
	}
	kept = file(filepath.Join(dir, "session.json"))
	if err := kept.save(context.Background(), &oauth2.Token{RefreshToken: "refresh-1"}); err != nil {
		panic(err)
	}
	return authority, orders, kept, func() {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		authority.Close()
		orders.Close()
		os.RemoveAll(dir)
	}
}

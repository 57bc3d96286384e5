package verifiergin_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
	"github.com/mintmark-auth/mintmark/pkg/verifier/verifiergin"
)

func Example() {
	v, err := verifier.New("https://auth.example.com", "https://auth.example.com")
	if err != nil {
		panic(err)
	}
	router := gin.New()
	router.GET("/orders", verifiergin.Require(v), func(c *gin.Context) {
		token := verifiergin.Token(c)
		c.String(http.StatusOK, "orders of %s, asked for by %s", token.Subject, token.ClientID)
	})

	answer := httptest.NewRecorder()
	router.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/orders", nil))
	fmt.Println(answer.Code, answer.Header().Get("WWW-Authenticate"))
	// Output: 401 Bearer realm="https://auth.example.com"
}

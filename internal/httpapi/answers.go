package httpapi

import (
	"encoding/json"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/user"
)

const jsonType = "application/json; charset=utf-8"

// envelope is every answer of the first-party API.
type envelope struct {
	Message    string `json:"message"`
	Data       any    `json:"data"`
	StatusCode int    `json:"statusCode"`
	Code       string `json:"code,omitempty"` // of a refusal
}

// creationErrors says which rules a registration broke: for the user, and for programs.
type creationErrors struct {
	Errors []user.Problem `json:"errors"`
	Codes  []string       `json:"codes"` // one for each error
}

func broken(problems ...user.Problem) creationErrors {
	codes := make([]string, 0, len(problems))
	for _, p := range problems {
		codes = append(codes, p.Code())
	}
	return creationErrors{Errors: problems, Codes: codes}
}

func writeEnvelope(c *gin.Context, status int, message string, data any) {
	writeJSON(c, status, envelope{Message: message, Data: data, StatusCode: status, Code: codeOf(message)})
}

// writeJSON writes an answer that no cache may store.
func writeJSON(c *gin.Context, status int, body any) {
	encoded, err := json.Marshal(body)
	if err != nil { // only values of this package get here
		panic(err)
	}
	noStore(c)
	c.Data(status, jsonType, encoded)
}

// noStore keeps tokens out of caches (RFC 6749 §5.1).
func noStore(c *gin.Context) {
	c.Header("Cache-Control", "no-store")
	c.Header("Pragma", "no-cache")
}

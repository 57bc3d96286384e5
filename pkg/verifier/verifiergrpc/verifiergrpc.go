// Package verifiergrpc puts pkg/verifier in front of the methods of a gRPC server.
//
//	guard := verifiergrpc.New(v, verifiergrpc.Rules{
//		"/orders.v1.Orders/*":      verifiergrpc.Needs(),
//		"/grpc.health.v1.Health/*": verifiergrpc.Open(),
//	})
//	server := grpc.NewServer(grpc.UnaryInterceptor(guard.Unary), grpc.StreamInterceptor(guard.Stream))
//
// It protects one invariant: a handler runs only for a method that has a rule and, unless that is [Open], only with a
// verified token in its context ([verifier.FromContext]) that fulfils the rule.
//
// The package reads the token from the metadata "authorization: Bearer …" only. It checks a stream when the stream
// begins, and ends its context when the token expires. It does not support proofs of possession.
package verifiergrpc

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// Guard holds the interceptors. It is safe for concurrent use.
type Guard struct {
	verifier *verifier.Verifier
	rules    Rules
}

// New makes a guard that checks tokens with v and applies rules. It panics on a rule whose key is not a method name or
// whose scope no token can contain, and on a v that requires proofs, so that these programming mistakes are found when
// the service starts.
func New(v *verifier.Verifier, rules Rules) *Guard {
	if !v.TakesBearer() {
		panic("verifiergrpc: the verifier requires proofs of possession, which are not understood over gRPC")
	}
	rules.mustWork(v)
	return &Guard{verifier: v, rules: maps.Clone(rules)}
}

// Unary is a [grpc.UnaryServerInterceptor]. A refused call gets a status, which contains no text from the request:
//
//	no token, one that is broken, foreign, expired …, several   UNAUTHENTICATED
//	another authentication of the user is needed                UNAUTHENTICATED
//	a scope is missing, or no rule names the method             PERMISSION_DENIED
//	the token could not be checked                              UNAVAILABLE with RetryInfo
func (g *Guard) Unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	ctx, err := g.admit(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	return handler(ctx, request)
}

// Stream is a [grpc.StreamServerInterceptor] with the statuses of [Guard.Unary]. The stream's context ends when the token
// expires, and from then on its messages fail with UNAUTHENTICATED.
func (g *Guard) Stream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx, err := g.admit(stream.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	if token := verifier.FromContext(ctx); token != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, token.Expiry, errExpired)
		defer cancel()
	}
	return handler(server, &admitted{stream, ctx})
}

var errExpired = status.Error(codes.Unauthenticated, "the access token has expired: begin the stream again with another")

// admitted is a stream whose context has the token.
type admitted struct {
	grpc.ServerStream
	ctx context.Context
}

// Context is that of the stream, with the token.
func (s *admitted) Context() context.Context { return s.ctx }

// RecvMsg and SendMsg fail once the token has expired.
func (s *admitted) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	return s.expired()
}

// SendMsg is like RecvMsg.
func (s *admitted) SendMsg(m any) error {
	if err := s.expired(); err != nil {
		return err
	}
	return s.ServerStream.SendMsg(m)
}

func (s *admitted) expired() error {
	if errors.Is(context.Cause(s.ctx), errExpired) {
		return errExpired
	}
	return nil
}

// admit returns the context for the handler, or the status of the refusal.
func (g *Guard) admit(ctx context.Context, method string) (context.Context, error) {
	rule, _ := g.rules.of(method)
	switch rule.access {
	case nobody:
		return nil, status.Error(codes.PermissionDenied, "this method is open to nobody: the server has no rule for it")
	case anybody:
		return ctx, nil
	}
	raw, err := tokenOf(ctx)
	if err != nil {
		return nil, err
	}
	token, err := g.verifier.Verify(ctx, raw)
	if err != nil {
		return nil, g.refuse(ctx, err)
	}
	if err := authorize(token, rule.policy); err != nil {
		return nil, err
	}
	return verifier.WithToken(ctx, token), nil
}

// authorize checks a valid token against a policy.
func authorize(token *verifier.Token, p verifier.Policy) error {
	for _, scope := range p.Scopes {
		if !token.Has(scope) {
			return status.Error(codes.PermissionDenied, "the token does not grant the scope that this needs: "+strings.Join(p.Scopes, " "))
		}
	}
	switch {
	case len(p.ACR) > 0 && !slices.Contains(p.ACR, token.ACR):
		return status.Error(codes.Unauthenticated, "this needs another authentication of the user: "+strings.Join(p.ACR, " "))
	case p.MaxAge > 0 && (token.AuthTime.IsZero() || time.Since(token.AuthTime) > p.MaxAge):
		return status.Error(codes.Unauthenticated, "this needs a more recent authentication of the user: of the last "+p.MaxAge.String())
	}
	return nil
}

// tokenOf returns the token of the metadata. Everything after the scheme is the token, which Verify checks.
func tokenOf(ctx context.Context) (string, error) {
	values := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(values) > 1 {
		return "", status.Error(codes.Unauthenticated, "the request has more than one authorization in its metadata")
	}
	scheme, token, _ := strings.Cut(strings.Join(values, ""), " ")
	token = strings.Trim(token, " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" { // the scheme in any case: RFC 9110 §11.1
		return "", status.Error(codes.Unauthenticated, "this needs an access token: send the metadata authorization: Bearer TOKEN")
	}
	return token, nil
}

// refuse turns an error of Verify into a status. An unknown error means that the token could not be checked: the caller
// may try again.
func (g *Guard) refuse(ctx context.Context, err error) error {
	if errors.Is(err, verifier.ErrInvalidToken) {
		return status.Error(codes.Unauthenticated, "the access token is refused: "+strings.TrimPrefix(err.Error(), "invalid token: "))
	}
	if ctx.Err() != nil { // the caller left before the keys came
		return status.FromContextError(ctx.Err()).Err()
	}
	unavailable := status.New(codes.Unavailable, "the token could not be checked now, try again later")
	detailed, wrong := unavailable.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(g.verifier.RetryAfter(err))})
	if wrong != nil {
		return unavailable.Err()
	}
	return detailed.Err()
}

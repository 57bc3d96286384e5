// Package verifiergrpc puts pkg/verifier in front of the methods of a gRPC server.
//
//	guard := verifiergrpc.New(v, verifiergrpc.Rules{
//		"/orders.v1.Orders/List":   verifiergrpc.Needs("orders:read"),
//		"/orders.v1.Orders/Place":  verifiergrpc.Needs("orders:write"),
//		"/grpc.health.v1.Health/*": verifiergrpc.Open(),
//	})
//	server := grpc.NewServer(grpc.UnaryInterceptor(guard.Unary), grpc.StreamInterceptor(guard.Stream))
//
// It protects one invariant: a handler runs only for a method that a rule names, and, but for open ones, only with a
// token in its context that was verified and grants the rule's scopes ([verifier.FromContext]).
//
// The token comes from the metadata "authorization: Bearer …" alone. A stream is checked when it begins: one that may
// outlive its token should end at token.Expiry. Proofs of possession are not understood over gRPC.
package verifiergrpc

import (
	"context"
	"errors"
	"maps"
	"strings"

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

// New makes a guard that checks tokens with v and applies rules. It panics on a rule whose key is no method name or with a
// scope that no token can hold, and on a v that takes no token without a proof: that is a mistake in the program, found
// when it starts.
func New(v *verifier.Verifier, rules Rules) *Guard {
	if !v.TakesBearer() {
		panic("verifiergrpc: the verifier requires proofs of possession, which are not understood over gRPC")
	}
	rules.mustWork(v)
	return &Guard{verifier: v, rules: maps.Clone(rules)}
}

// Unary is a [grpc.UnaryServerInterceptor]. What may not pass gets a status, with never a word from the request:
//
//	no token, one that is broken, foreign, expired …, several   UNAUTHENTICATED
//	a scope is missing, or no rule names the method             PERMISSION_DENIED
//	the token could not be checked                              UNAVAILABLE with RetryInfo
func (g *Guard) Unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	ctx, err := g.admit(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	return handler(ctx, request)
}

// Stream is a [grpc.StreamServerInterceptor] with the statuses of [Guard.Unary].
func (g *Guard) Stream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx, err := g.admit(stream.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	return handler(server, &admitted{stream, ctx})
}

// admitted is a stream whose context holds the token.
type admitted struct {
	grpc.ServerStream
	ctx context.Context
}

// Context is that of the stream, with the token.
func (s *admitted) Context() context.Context { return s.ctx }

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
	for _, scope := range rule.scopes {
		if !token.Has(scope) {
			return nil, status.Error(codes.PermissionDenied, "the token does not grant the scope that this needs: "+strings.Join(rule.scopes, " "))
		}
	}
	return verifier.WithToken(ctx, token), nil
}

// tokenOf returns the token of the metadata. Whatever follows the scheme is the token, for Verify to judge.
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

// refuse turns an error of Verify into a status. What it doesn't know says nothing about the token: try again.
func (g *Guard) refuse(ctx context.Context, err error) error {
	if errors.Is(err, verifier.ErrInvalidToken) {
		return status.Error(codes.Unauthenticated, "the access token is refused: "+strings.TrimPrefix(err.Error(), "invalid token: "))
	}
	if ctx.Err() != nil { // the caller went before the keys came
		return status.FromContextError(ctx.Err()).Err()
	}
	unavailable := status.New(codes.Unavailable, "the token could not be checked now, try again later")
	detailed, wrong := unavailable.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(g.verifier.RetryAfter(err))})
	if wrong != nil {
		return unavailable.Err()
	}
	return detailed.Err()
}

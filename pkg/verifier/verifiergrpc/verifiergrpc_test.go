package verifiergrpc_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
	"github.com/mintmark-auth/mintmark/pkg/verifier/verifiergrpc"
	"github.com/mintmark-auth/mintmark/pkg/verifier/verifiertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	unary  = "/grpc.testing.TestService/UnaryCall"
	duplex = "/grpc.testing.TestService/FullDuplexCall"
	empty  = "/grpc.testing.TestService/EmptyCall"
)

// service answers with the subject of the token in its context.
type service struct {
	pb.UnimplementedTestServiceServer
}

func (service) UnaryCall(ctx context.Context, _ *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	return &pb.SimpleResponse{Username: subject(ctx)}, nil
}

func (service) EmptyCall(context.Context, *pb.Empty) (*pb.Empty, error) { return &pb.Empty{}, nil }

func (service) FullDuplexCall(stream grpc.BidiStreamingServer[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]) error {
	for {
		if _, err := stream.Recv(); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		answer := &pb.StreamingOutputCallResponse{Payload: &pb.Payload{Body: []byte(subject(stream.Context()))}}
		if err := stream.Send(answer); err != nil {
			return err
		}
	}
}

func subject(ctx context.Context) string {
	if token := verifier.FromContext(ctx); token != nil {
		return token.Subject
	}
	return "nobody"
}

func newVerifier(t *testing.T, issuer *verifiertest.Issuer) *verifier.Verifier {
	t.Helper()
	return issuer.Verifier(verifier.WithLogger(slog.New(slog.DiscardHandler)))
}

// coldVerifier knows no keys yet.
func coldVerifier(t *testing.T, issuer *verifiertest.Issuer) *verifier.Verifier {
	t.Helper()
	v, err := verifier.New(issuer.URL(), issuer.Audience(), verifier.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

func start(t *testing.T, issuer *verifiertest.Issuer, rules verifiergrpc.Rules) (*grpc.Server, *verifiergrpc.Guard, *grpc.ClientConn) {
	t.Helper()
	return startWith(t, newVerifier(t, issuer), rules)
}

// startWith serves the test service, health and reflection behind the rules, and returns the server and a client's
// connection to it.
func startWith(t *testing.T, v *verifier.Verifier, rules verifiergrpc.Rules) (*grpc.Server, *verifiergrpc.Guard, *grpc.ClientConn) {
	t.Helper()
	guard := verifiergrpc.New(v, rules)
	server := grpc.NewServer(grpc.UnaryInterceptor(guard.Unary), grpc.StreamInterceptor(guard.Stream))
	pb.RegisterTestServiceServer(server, service{})
	healthpb.RegisterHealthServer(server, health.NewServer())
	reflection.Register(server)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return server, guard, conn
}

// with is the test's context with these values of authorization in the metadata.
func with(t *testing.T, authorization ...string) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	for _, value := range authorization {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", value)
	}
	return ctx
}

// callUnary and callDuplex return whom the handler saw.
func callUnary(ctx context.Context, conn *grpc.ClientConn) (string, error) {
	answer, err := pb.NewTestServiceClient(conn).UnaryCall(ctx, &pb.SimpleRequest{})
	return answer.GetUsername(), err
}

func callDuplex(ctx context.Context, conn *grpc.ClientConn) (string, error) {
	stream, err := pb.NewTestServiceClient(conn).FullDuplexCall(ctx)
	if err != nil {
		return "", err
	}
	if err := stream.Send(&pb.StreamingOutputCallRequest{}); err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	answer, err := stream.Recv()
	if err == nil {
		err = stream.CloseSend()
	}
	return string(answer.GetPayload().GetBody()), err
}

var kinds = map[string]func(context.Context, *grpc.ClientConn) (string, error){"unary": callUnary, "stream": callDuplex}

func TestACallPassesOnlyWithAGoodTokenThatGrantsTheScopes(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	rule := verifiergrpc.Needs("orders:read", "orders:write")
	_, _, conn := start(t, issuer, verifiergrpc.Rules{unary: rule, duplex: rule})
	good := issuer.Token(verifiertest.Claims{"sub": "ada", "scope": "orders:write orders:read"})
	narrow := issuer.Token(verifiertest.Claims{"sub": "ada", "scope": "orders:read"})
	for name, c := range map[string]struct {
		authorization []string
		want          codes.Code
	}{
		"good":                  {[]string{"Bearer " + good}, codes.OK},
		"scheme in any case":    {[]string{"bEARER   " + good}, codes.OK},
		"no metadata":           {nil, codes.Unauthenticated},
		"empty":                 {[]string{""}, codes.Unauthenticated},
		"no token":              {[]string{"Bearer"}, codes.Unauthenticated},
		"spaces for a token":    {[]string{"Bearer   "}, codes.Unauthenticated},
		"Basic":                 {[]string{"Basic dTpw"}, codes.Unauthenticated},
		"DPoP":                  {[]string{"DPoP " + good}, codes.Unauthenticated},
		"no scheme":             {[]string{good}, codes.Unauthenticated},
		"two values":            {[]string{"Bearer " + good, "Bearer " + good}, codes.Unauthenticated},
		"good and empty":        {[]string{"Bearer " + good, ""}, codes.Unauthenticated},
		"two in one value":      {[]string{"Bearer " + good + ", Bearer " + good}, codes.Unauthenticated},
		"expired":               {[]string{"Bearer " + issuer.ExpiredToken()}, codes.Unauthenticated},
		"a stranger's":          {[]string{"Bearer " + issuer.Token(verifiertest.SignedByStranger())}, codes.Unauthenticated},
		"one of two scopes":     {[]string{"Bearer " + narrow}, codes.PermissionDenied},
		"no scope":              {[]string{"Bearer " + issuer.Token()}, codes.PermissionDenied},
		"expired, and no scope": {[]string{"Bearer " + issuer.ExpiredToken()}, codes.Unauthenticated},
	} {
		for kind, call := range kinds {
			saw, err := call(with(t, c.authorization...), conn)
			if status.Code(err) != c.want || (c.want == codes.OK) != (saw == "ada") {
				t.Errorf("%s, %s: the handler saw %q, %v; want %v", name, kind, saw, err, c.want)
			}
		}
	}
}

func TestHostileTokensAreUnauthenticatedAndNothingOfThemIsReflected(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	_, _, conn := start(t, issuer, verifiergrpc.Rules{unary: verifiergrpc.Needs()})
	if _, err := callUnary(with(t, "Bearer "+issuer.Token()), conn); err != nil {
		t.Fatal(err)
	}
	for name, token := range issuer.HostileTokens() {
		saw, err := callUnary(with(t, "Bearer "+token), conn)
		// A kid that nobody knows is looked up again, but not at once.
		if code := status.Code(err); code != codes.Unauthenticated && (code != codes.Unavailable || !strings.Contains(name, "kid")) {
			t.Errorf("%s: the handler saw %q, %v", name, saw, err)
		}
	}
	const canary = "CANARYx"
	for _, token := range []string{
		canary,
		issuer.Token(verifiertest.Header{"typ": canary}),
		issuer.Token(verifiertest.Header{"alg": canary}),
		issuer.Token(verifiertest.Header{"kid": canary}),
		issuer.Token(verifiertest.Claims{"iss": canary}),
		issuer.Token(verifiertest.Claims{canary: canary, "exp": canary}),
		issuer.Token(verifiertest.Claims{"scope": canary + "\t"}),
	} {
		if _, err := callUnary(with(t, "Bearer "+token), conn); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("answered %v", err)
		}
	}
}

func TestAMethodThatNoRuleNamesIsRefusedEvenWithAGoodToken(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	_, _, conn := start(t, issuer, verifiergrpc.Rules{empty: verifiergrpc.Needs(), duplex: {}})
	for kind, call := range kinds {
		if _, err := call(with(t, "Bearer "+issuer.Token()), conn); status.Code(err) != codes.PermissionDenied {
			t.Errorf("%s: %v, want PermissionDenied", kind, err)
		}
	}
	if _, err := healthpb.NewHealthClient(conn).Check(with(t), &healthpb.HealthCheckRequest{}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("health: %v, want PermissionDenied", err)
	}
}

func TestHealthIsOpenWhereARuleSaysSo(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	issuer.Down() // what is open needs no keys
	_, _, conn := startWith(t, coldVerifier(t, issuer), verifiergrpc.Rules{"/grpc.health.v1.Health/*": verifiergrpc.Open()})
	for _, authorization := range [][]string{nil, {"Bearer garbage"}, {"a", "b"}} {
		if _, err := healthpb.NewHealthClient(conn).Check(with(t, authorization...), &healthpb.HealthCheckRequest{}); err != nil {
			t.Errorf("with %q: %v", authorization, err)
		}
	}
	if _, err := callUnary(with(t), conn); status.Code(err) != codes.PermissionDenied {
		t.Errorf("another service: %v, want PermissionDenied", err)
	}
}

func TestAMethodsOwnRuleWinsOverItsServices(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	_, _, conn := start(t, issuer, verifiergrpc.Rules{
		"/grpc.testing.TestService/*": verifiergrpc.Open(), unary: verifiergrpc.Needs("orders:read"), empty: {},
	})
	if _, err := callUnary(with(t), conn); status.Code(err) != codes.Unauthenticated {
		t.Errorf("unary: %v, want Unauthenticated", err)
	}
	if saw, err := callDuplex(with(t), conn); err != nil || saw != "nobody" {
		t.Errorf("stream: saw %q, %v", saw, err)
	}
	if _, err := pb.NewTestServiceClient(conn).EmptyCall(with(t), &pb.Empty{}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("a rule for nobody: %v, want PermissionDenied", err)
	}
}

func TestUnavailableKeysAreUnavailableWithRetryInfo(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	issuer.Down()
	_, _, conn := startWith(t, coldVerifier(t, issuer), verifiergrpc.Rules{unary: verifiergrpc.Needs(), duplex: verifiergrpc.Needs()})
	for kind, call := range kinds {
		_, err := call(with(t, "Bearer "+issuer.Token()), conn)
		var delay time.Duration
		for _, detail := range status.Convert(err).Details() {
			if info, ok := detail.(*errdetails.RetryInfo); ok {
				delay = info.GetRetryDelay().AsDuration()
			}
		}
		if status.Code(err) != codes.Unavailable || delay <= 0 {
			t.Errorf("%s: %v with a delay of %v", kind, err, delay)
		}
		if strings.Contains(err.Error(), issuer.URL()) {
			t.Errorf("%s: the caller is told of our insides: %v", kind, err)
		}
	}
}

// TestAStrangerGetsOneUnavailableAnswerPerCooldown, and good tokens go through.
func TestAStrangerGetsOneUnavailableAnswerPerCooldown(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	guard := verifiergrpc.New(newVerifier(t, issuer), verifiergrpc.Rules{unary: verifiergrpc.Needs()})
	answer := func(token string) codes.Code {
		ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer "+token))
		_, err := guard.Unary(ctx, nil, &grpc.UnaryServerInfo{FullMethod: unary}, func(context.Context, any) (any, error) { return "", nil })
		return status.Code(err)
	}
	good := issuer.Token()
	_, rest, _ := strings.Cut(good, ".") // with another header, the signature is a stranger's
	began, answers := time.Now(), map[codes.Code]int{}
	for n := range 3000 {
		header := fmt.Sprintf(`{"alg":"RS256","typ":"at+jwt","kid":"invented-%d"}`, n)
		answers[answer(base64.RawURLEncoding.EncodeToString([]byte(header))+"."+rest)]++
	}
	most := 1 + int(time.Since(began)/(10*time.Second))
	if unavailable := answers[codes.Unavailable]; unavailable > most || answers[codes.Unauthenticated]+unavailable != 3000 {
		t.Errorf("got %v, want at most %d × Unavailable, and Unauthenticated", answers, most)
	}
	if got := answer(good); got != codes.OK {
		t.Errorf("a good token got %v", got)
	}
}

// TestACallerThatHasLeftIsReportedAsSuch: nothing was wrong with its token, nor with the issuer.
func TestACallerThatHasLeftIsReportedAsSuch(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	issuer.Stall()
	guard := verifiergrpc.New(coldVerifier(t, issuer), verifiergrpc.Rules{unary: verifiergrpc.Needs()})
	ctx, leave := context.WithCancel(metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer "+issuer.Token())))
	leave()
	late, cancel := context.WithDeadline(metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer "+issuer.Token())), time.Now())
	defer cancel()
	for want, ctx := range map[codes.Code]context.Context{codes.Canceled: ctx, codes.DeadlineExceeded: late} {
		_, err := guard.Unary(ctx, nil, &grpc.UnaryServerInfo{FullMethod: unary}, func(context.Context, any) (any, error) {
			t.Error("the handler was called")
			return nil, nil
		})
		if status.Code(err) != want {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}

// TestRulesAreFixedWhenTheGuardIsMade: a later change of the caller's map opens nothing.
func TestRulesAreFixedWhenTheGuardIsMade(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	scopes, ways := []string{"admin"}, []string{"mfa"}
	rules := verifiergrpc.Rules{unary: verifiergrpc.Enforce(verifier.Policy{Scopes: scopes, ACR: ways}), empty: verifiergrpc.Needs()}
	guard := verifiergrpc.New(newVerifier(t, issuer), rules)
	scopes[0], ways[0] = "orders:read", "pwd"
	rules[empty] = verifiergrpc.Open()
	rules[duplex] = verifiergrpc.Open()
	for method, c := range map[string]struct {
		claims verifiertest.Claims
		want   codes.Code
	}{
		unary:  {verifiertest.Claims{"scope": "orders:read", "acr": "pwd"}, codes.PermissionDenied},
		empty:  {nil, codes.Unauthenticated},
		duplex: {verifiertest.Claims{"scope": "admin"}, codes.PermissionDenied},
	} {
		ctx := t.Context()
		if c.claims != nil {
			ctx = metadata.NewIncomingContext(ctx, metadata.Pairs("authorization", "Bearer "+issuer.Token(c.claims)))
		}
		_, err := guard.Unary(ctx, nil, &grpc.UnaryServerInfo{FullMethod: method}, func(context.Context, any) (any, error) { return nil, nil })
		if status.Code(err) != c.want {
			t.Errorf("%s: %v, want %v", method, err, c.want)
		}
	}
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer "+issuer.Token(verifiertest.Claims{"scope": "admin", "acr": "mfa"})))
	if _, err := guard.Unary(ctx, nil, &grpc.UnaryServerInfo{FullMethod: unary}, func(context.Context, any) (any, error) { return nil, nil }); err != nil {
		t.Errorf("what the rule asked for: %v", err)
	}
}

func TestAPolicyAsksForTheAuthenticationOfTheUser(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	rule := verifiergrpc.Enforce(verifier.Policy{Scopes: []string{"orders:write"}, ACR: []string{"mfa"}, MaxAge: time.Hour})
	_, _, conn := start(t, issuer, verifiergrpc.Rules{unary: rule, duplex: rule})
	now := time.Now().Unix()
	for name, c := range map[string]struct {
		claims verifiertest.Claims
		want   codes.Code
	}{
		"as it asks":  {verifiertest.Claims{"scope": "orders:write", "acr": "mfa", "auth_time": now}, codes.OK},
		"another way": {verifiertest.Claims{"scope": "orders:write", "acr": "pwd", "auth_time": now}, codes.Unauthenticated},
		"too old":     {verifiertest.Claims{"scope": "orders:write", "acr": "mfa", "auth_time": now - 7200}, codes.Unauthenticated},
		"never":       {verifiertest.Claims{"scope": "orders:write", "acr": "mfa", "auth_time": nil}, codes.Unauthenticated},
		"no scope":    {verifiertest.Claims{"acr": "mfa", "auth_time": now}, codes.PermissionDenied},
	} {
		for kind, call := range kinds {
			if _, err := call(with(t, "Bearer "+issuer.Token(c.claims)), conn); status.Code(err) != c.want {
				t.Errorf("%s, %s: %v, want %v", name, kind, err, c.want)
			}
		}
	}
}

// TestAStreamEndsWithItsToken: the verifier's clock is behind, so that it admits one that has expired by now.
func TestAStreamEndsWithItsToken(t *testing.T) {
	t.Parallel()
	late := func() time.Time { return time.Now().Add(-time.Minute) }
	issuer := verifiertest.NewIssuer(t, verifiertest.WithClock(late))
	v := issuer.Verifier(verifier.WithClock(late), verifier.WithStatus(verifier.StatusOff))
	guard := verifiergrpc.New(v, verifiergrpc.Rules{duplex: verifiergrpc.Needs()})
	for name, c := range map[string]struct {
		expiry time.Time
		want   codes.Code
	}{"living": {time.Now().Add(time.Hour), codes.OK}, "expired": {time.Now().Add(-2 * time.Second), codes.Unauthenticated}} {
		ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer "+issuer.Token(verifiertest.Claims{"exp": c.expiry.Unix()})))
		ended := false
		err := guard.Stream(nil, silent{ctx: ctx}, &grpc.StreamServerInfo{FullMethod: duplex}, func(_ any, stream grpc.ServerStream) error {
			ended = stream.Context().Err() != nil
			return errors.Join(stream.RecvMsg(nil), stream.SendMsg(nil))
		})
		if status.Code(err) != c.want || ended != (c.want != codes.OK) {
			t.Errorf("%s: %v, the context ended %t; want %v", name, err, ended, c.want)
		}
	}
}

// silent is a stream that takes and gives messages without any.
type silent struct {
	grpc.ServerStream
	ctx context.Context
}

func (s silent) Context() context.Context { return s.ctx }
func (silent) RecvMsg(any) error          { return nil }
func (silent) SendMsg(any) error          { return nil }

func TestCheckNamesMethodsWithoutRuleAndRulesWithoutMethod(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	complete := verifiergrpc.Rules{
		"/grpc.testing.TestService/*":                 verifiergrpc.Needs("orders:read"),
		"/grpc.health.v1.Health/*":                    verifiergrpc.Open(),
		"/grpc.reflection.v1.ServerReflection/*":      verifiergrpc.Open(),
		"/grpc.reflection.v1alpha.ServerReflection/*": verifiergrpc.Open(),
	}
	complete[empty] = verifiergrpc.Rule{} // closed on purpose
	server, guard, _ := start(t, issuer, complete)
	if err := guard.Check(server); err != nil {
		t.Errorf("complete rules: %v", err)
	}
	server, guard, _ = start(t, issuer, verifiergrpc.Rules{unary: verifiergrpc.Needs(), "/grpc.testing.TestService/Gone": verifiergrpc.Needs(), "/old.Service/*": verifiergrpc.Open()})
	err := guard.Check(server)
	for _, want := range []string{duplex, "/grpc.health.v1.Health/Check", "the rule for /grpc.testing.TestService/Gone", "the rule for /old.Service/*"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Check does not name %s: %v", want, err)
		}
	}
	if err != nil && strings.Contains(err.Error(), unary) {
		t.Errorf("Check names %s, which has a rule", unary)
	}
}

// TestAVerifierThatRequiresProofsIsRefused: over gRPC there are none, and a bearer token must not do.
func TestAVerifierThatRequiresProofsIsRefused(t *testing.T) {
	t.Parallel()
	for mode, refused := range map[verifier.DPoPMode]bool{verifier.DPoPOff: false, verifier.DPoPOptional: false, verifier.DPoPRequired: true} {
		v, err := verifier.New("https://auth.example.com", "https://orders.example.com", verifier.WithDPoP(mode))
		if err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() {
				if (recover() != nil) != refused {
					t.Errorf("mode %v: refused %t, want %t", mode, !refused, refused)
				}
			}()
			verifiergrpc.New(v, nil)
		}()
	}
}

func TestNewRefusesRulesThatCouldNeverApply(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, verifiertest.NewIssuer(t))
	for _, rules := range []verifiergrpc.Rules{
		{"": verifiergrpc.Open()},
		{"*": verifiergrpc.Open()},
		{"orders.v1.Orders/List": verifiergrpc.Open()},
		{"/orders.v1.Orders": verifiergrpc.Open()},
		{"/orders.v1.Orders/": verifiergrpc.Open()},
		{"//List": verifiergrpc.Open()},
		{"/orders.v1.Orders/List/": verifiergrpc.Open()},
		{unary: verifiergrpc.Needs("orders:read orders:write")},
		{unary: verifiergrpc.Needs("")},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("New(%v) did not panic", rules)
				}
			}()
			verifiergrpc.New(v, rules)
		}()
	}
}

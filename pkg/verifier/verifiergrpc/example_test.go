package verifiergrpc_test

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
	"github.com/mintmark-auth/mintmark/pkg/verifier/verifiergrpc"
)

func Example() {
	v, err := verifier.New("https://auth.example.com", "https://orders.example.com")
	if err != nil {
		panic(err)
	}
	guard := verifiergrpc.New(v, verifiergrpc.Rules{
		"/orders.v1.Orders/List":   verifiergrpc.Needs("orders:read"),
		"/orders.v1.Orders/Place":  verifiergrpc.Needs("orders:read", "orders:write"),
		"/grpc.health.v1.Health/*": verifiergrpc.Open(),
	})
	server := grpc.NewServer(grpc.UnaryInterceptor(guard.Unary), grpc.StreamInterceptor(guard.Stream))
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())

	// In a test, or before Serve: is there a rule for every method, and a method for every rule? Here the orders are
	// not registered yet.
	fmt.Println(guard.Check(server))
	// Output:
	// the rule for /orders.v1.Orders/List is for no method of this server
	// the rule for /orders.v1.Orders/Place is for no method of this server
}

// What a streaming handler sends ends with the token that it was begun with.
func ExampleGuard_Stream() {
	watch := func(stream grpc.ServerStream) error {
		ctx, cancel := context.WithDeadline(stream.Context(), verifier.FromContext(stream.Context()).Expiry)
		defer cancel()
		<-ctx.Done() // instead of this, send something now and then
		return status.FromContextError(ctx.Err()).Err()
	}
	_ = watch
}

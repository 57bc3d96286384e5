package verifiergrpc_test

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
	"github.com/mintmark-auth/mintmark/pkg/verifier/verifiergrpc"
)

func Example() {
	v, err := verifier.New("https://auth.example.com", "https://auth.example.com")
	if err != nil {
		panic(err)
	}
	guard := verifiergrpc.New(v, verifiergrpc.Rules{
		"/orders.v1.Orders/*":      verifiergrpc.Needs(),
		"/grpc.health.v1.Health/*": verifiergrpc.Open(),
	})
	server := grpc.NewServer(grpc.UnaryInterceptor(guard.Unary), grpc.StreamInterceptor(guard.Stream))
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())

	// In a test, or before Serve: is there a rule for every method, and a method for every rule? Here the orders are
	// not registered yet.
	fmt.Println(guard.Check(server))
	// Output:
	// the rule for /orders.v1.Orders/* is for no method of this server
}

// A streaming handler that waits looks at the context, which ends with the token that the stream was begun with.
func ExampleGuard_Stream() {
	news := make(chan string)
	watch := func(stream grpc.ServerStream) error {
		for {
			select {
			case text := <-news:
				if err := stream.SendMsg(wrapperspb.String(text)); err != nil {
					return err
				}
			case <-stream.Context().Done():
				return context.Cause(stream.Context()) // a status that says so
			}
		}
	}
	_ = watch
}

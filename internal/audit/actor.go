package audit

// ActorKind is what kind of party did something.
type ActorKind string

// The kinds of actors this version writes.
const (
	User     ActorKind = "user"
	Client   ActorKind = "client"
	Operator ActorKind = "operator"
	System   ActorKind = "system" // the authority by itself, without being asked
)

// Actor is who did what an event records. Events that an older version wrote have
// no ID.
type Actor struct {
	Kind ActorKind
	ID   string // a user's id, a client's client_id or an operator's name; "" for the system
}

// ByUser is the user with this id.
func ByUser(id string) Actor { return Actor{User, id} }

// ByClient is the client with this client_id, for itself or on behalf of a user.
func ByClient(id string) Actor { return Actor{Client, id} }

// ByOperator is the operator of this name.
func ByOperator(name string) Actor { return Actor{Operator, name} }

// BySystem is the authority itself.
func BySystem() Actor { return Actor{Kind: System} }

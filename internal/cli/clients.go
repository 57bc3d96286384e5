package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/config"
)

func (s *shell) newClients() *cobra.Command {
	return s.group("clients", "list, disable and enable OAuth clients",
		`Clients request tokens on behalf of users. first-party is built in: /api/authentication
uses it.`,
		`  mintmark clients list
  mintmark clients disable first-party`,
		s.newClientsList(), s.newClientsShow(), s.newClientsDisable(), s.newClientsEnable())
}

func (s *shell) newClientsList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "list clients",
		Long:    `List every client, in order of id.`,
		Example: `  mintmark clients list`,
		Args:    arguments(),
		RunE: s.operate(func(ctx context.Context, _ *cobra.Command, o operation, _ []string) error {
			clients, err := o.ListClients(ctx)
			if err != nil {
				return err
			}
			return s.answerClients(clients)
		}),
	}
}

func (s *shell) answerClients(clients []client.Client) error {
	answer := make([]clientAnswer, 0, len(clients))
	t := table{head: []string{"ID", "NAME", "KIND", "GRANTS", "ROTATION", "STATE", "CREATED"}, empty: "there are no clients; restart `mintmark serve`, which adds first-party"}
	for _, c := range clients {
		answer = append(answer, clientJSON(c))
		t.rows = append(t.rows, []string{c.ID, c.Name, string(c.Kind), strings.Join(c.GrantTypes, ","), string(c.Rotation), clientState(c), stamp(c.CreatedAt)})
	}
	return s.answer(answer, t)
}

func (s *shell) newClientsShow() *cobra.Command {
	return &cobra.Command{
		Use: "show CLIENT", Short: "show a client",
		Long:    `Show one client, by id.`,
		Example: `  mintmark clients show first-party`,
		Args:    arguments("CLIENT"),
		RunE: s.operate(func(ctx context.Context, _ *cobra.Command, o operation, args []string) error {
			c, err := o.client(ctx, args[0])
			if err != nil {
				return err
			}
			return s.answerClient(c, o.cfg)
		}),
	}
}

func (s *shell) answerClient(c client.Client, cfg config.Config) error {
	now := time.Now()
	return s.answer(clientJSON(c), table{rows: [][]string{
		{"id", c.ID},
		{"name", c.Name},
		{"kind", string(c.Kind)},
		{"grants", strings.Join(c.GrantTypes, ", ")},
		{"rotation", string(c.Rotation)},
		{"refresh grace", ownOr(c.Grace, cfg.RefreshGrace)},
		{"refresh idle", ownOr(c.IdleTTL, cfg.RefreshIdleTTL)},
		{"refresh maximum", ownOr(c.MaxTTL, cfg.RefreshMaxTTL)},
		{"late retries", map[bool]string{true: "allowed", false: "end the session"}[c.AllowSkip]},
		{"state", clientState(c)},
		{"created", stampWithAge(c.CreatedAt, now)},
		{"disabled", stampWithAge(c.DisabledAt, now)},
	}})
}

func ownOr(own *time.Duration, fallback time.Duration) string {
	if own != nil {
		return own.String()
	}
	return fallback.String() + " (the default)"
}

func (s *shell) newClientsDisable() *cobra.Command {
	cmd := &cobra.Command{
		Use: "disable CLIENT", Short: "refuse a client, and end its sessions",
		Long: `Refuse a client from now on, and end every session that was begun through it. Disabling
first-party switches off /api/authentication.`,
		Example: `  mintmark clients disable first-party`,
		Args:    arguments("CLIENT"),
		RunE: s.operate(func(ctx context.Context, cmd *cobra.Command, o operation, args []string) error {
			c, err := o.client(ctx, args[0])
			if err != nil {
				return err
			}
			if err := s.confirm(cmd, harmful, "Disable the client %s and end every session begun through it?", c.ID); err != nil {
				return fmt.Errorf("disable client %q: %w", c.ID, err)
			}
			if err := o.DisableClient(ctx, o.by, c.ID); err != nil {
				return about("client", c.ID, err)
			}
			return s.done(changed{ID: c.ID, Done: "disable"}, "client %s was disabled, and its sessions ended", c.ID)
		}),
	}
	addYes(cmd)
	return cmd
}

func (s *shell) newClientsEnable() *cobra.Command {
	return &cobra.Command{
		Use: "enable CLIENT", Short: "enable a disabled client",
		Long:    `Enable a disabled client. Its ended sessions stay ended.`,
		Example: `  mintmark clients enable first-party`,
		Args:    arguments("CLIENT"),
		RunE: s.operate(func(ctx context.Context, _ *cobra.Command, o operation, args []string) error {
			if err := o.EnableClient(ctx, o.by, args[0]); err != nil {
				return about("client", args[0], err)
			}
			return s.done(changed{ID: args[0], Done: "enable"}, "client %s is enabled", args[0])
		}),
	}
}

type clientAnswer struct {
	ID            string   `json:"id"`
	Name          string   `json:"name"`
	Kind          string   `json:"kind"`
	GrantTypes    []string `json:"grant_types"`
	Rotation      string   `json:"rotation"`
	LateRetries   bool     `json:"late_retries"`
	RefreshGrace  string   `json:"refresh_grace,omitempty"` // absent: the default
	RefreshIdle   string   `json:"refresh_idle_ttl,omitempty"`
	RefreshMax    string   `json:"refresh_max_ttl,omitempty"`
	State         string   `json:"state"`
	CreatedAt     string   `json:"created_at"`
	DisabledSince string   `json:"disabled_at,omitempty"`
}

func clientJSON(c client.Client) clientAnswer {
	return clientAnswer{
		ID: c.ID, Name: c.Name, Kind: string(c.Kind), GrantTypes: c.GrantTypes, Rotation: string(c.Rotation), LateRetries: c.AllowSkip,
		RefreshGrace: own(c.Grace), RefreshIdle: own(c.IdleTTL), RefreshMax: own(c.MaxTTL),
		State: clientState(c), CreatedAt: stamp(c.CreatedAt), DisabledSince: stamp(c.DisabledAt),
	}
}

func own(d *time.Duration) string {
	if d == nil {
		return ""
	}
	return d.String()
}

func clientState(c client.Client) string {
	if c.Enabled() {
		return "enabled"
	}
	return "disabled"
}

package postgres

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"github.com/mintmark-auth/mintmark/internal/dial"
	"github.com/mintmark-auth/mintmark/internal/storeurl"
)

// notices is the one connection on which the database notifies of changes by any process. It
// is not part of the pool, whose connections come and go.
type notices struct {
	settings *pgx.ConnConfig          // nil: there is nothing to hear
	heard    map[string]chan struct{} // by channel; contains a notice that no caller has taken yet

	turn chan struct{} // contains one token; its holder may use conn
	conn *pgx.Conn     // nil: not listening

	waiting atomic.Pointer[context.CancelFunc] // ends the present wait for a notice; nil: there is none
}

// listenAt chooses where to listen: at the server itself, for a pooler has no connection that stays. Where only a pooler
// is known nothing is heard, and changes are seen at the next poll.
func (s *Store) listenAt(direct string, pool *pgx.ConnConfig) (*notices, error) {
	settings := pool
	switch {
	case direct != "":
		url, err := storeurl.ParsePostgres(direct)
		if err != nil {
			return nil, fmt.Errorf("read the URL of the server itself: %w", err)
		}
		own, err := poolConfig(url)
		if err != nil {
			return nil, err
		}
		settings = own.ConnConfig
		settings.DialFunc = dial.Dialer(settings.ConnectTimeout).DialContext
	case s.pooled.Load():
		settings = nil
	}
	return newNotices(settings, keysChannel, clientsChannel), nil
}

func newNotices(settings *pgx.ConnConfig, channels ...string) *notices {
	n := &notices{settings: settings, heard: map[string]chan struct{}{}, turn: make(chan struct{}, 1)}
	for _, channel := range channels {
		n.heard[channel] = make(chan struct{}, 1)
	}
	n.turn <- struct{}{}
	return n
}

// await returns nil when there was a notice on the channel. Of those who await, one
// listens and passes on what is for the others.
func (n *notices) await(ctx context.Context, channel string) error {
	for {
		select {
		case <-n.heard[channel]:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-n.turn:
		}
		err := n.listen(ctx, channel)
		n.turn <- struct{}{}
		if err != nil {
			return cmp.Or(ctx.Err(), err)
		}
	}
}

// listen waits for one notice, unless one is there for the channel already.
func (n *notices) listen(ctx context.Context, channel string) error {
	if len(n.heard[channel]) > 0 {
		return nil
	}
	if n.settings == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	if n.conn == nil {
		if err := n.connect(ctx); err != nil {
			return err
		}
	}
	waiting, leave := context.WithCancel(ctx)
	defer leave()
	n.waiting.Store(&leave)
	notice, err := n.conn.WaitForNotification(waiting)
	if err != nil {
		n.disconnect()
		return err
	}
	select {
	case n.heard[notice.Channel] <- struct{}{}:
	default: // one waits already
	}
	return nil
}

// leave gives the connection up, as all others are: after a failover it may lead to a server that hears nothing any more.
func (n *notices) leave() {
	if leave := n.waiting.Load(); leave != nil {
		(*leave)()
	}
}

func (n *notices) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, n.settings)
	if err != nil {
		return err
	}
	n.conn = conn
	var listen strings.Builder
	for channel := range n.heard {
		listen.WriteString("LISTEN " + channel + ";")
	}
	if _, err := conn.Exec(ctx, listen.String()); err != nil {
		n.disconnect()
		return err
	}
	return nil
}

func (n *notices) disconnect() {
	ctx, cancel := context.WithTimeout(context.Background(), pingTimeout)
	defer cancel()
	_ = n.conn.Close(ctx) // broken, or not needed any more
	n.conn = nil
}

// close waits until no caller listens, then closes the connection.
func (n *notices) close() {
	<-n.turn
	defer func() { n.turn <- struct{}{} }()
	if n.conn != nil {
		n.disconnect()
	}
}

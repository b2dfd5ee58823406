package store

import (
	"context"
	"errors"
	"net"
	"net/url"
	"time"

	"hilum/idp/store/engine"
)

// openPostgres opens a database of PostgreSQL. Errors: OpenError.
func openPostgres(ctx context.Context, c Config) (engine.Engine, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, errors.New("the URL of the database cannot be read")
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, &OpenError{OpenUnreachable, err}
	}
	return nil, errors.Join(errors.ErrUnsupported, conn.Close())
}

package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// maxLogo is how many bytes the picture at a logo_uri may have.
const maxLogo = 60 << 10

var errLogo = errors.New("no picture there")

// Logo reads the picture at a logo_uri (OpenID Connect Dynamic Client Registration 1.0, section
// 2). Whether it is one is for the caller to see. The HTTP client bounds how long that takes,
// and whom it calls.
func Logo(ctx context.Context, fetch *http.Client, uri string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, errLogo
	}
	r.Header.Set("Accept", "image/png")
	res, err := fetch.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%w: it cannot be called", errLogo)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: status %d", errLogo, res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxLogo+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: the answer breaks off", errLogo)
	case len(body) > maxLogo:
		return nil, fmt.Errorf("%w: more than %d bytes", errLogo, maxLogo)
	}
	return body, nil
}

package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// maxSector is how many bytes the list at a sector_identifier_uri may have.
const maxSector = 64 << 10

var errSector = errors.New("no list of redirect addresses there")

// SectorRedirects reads the redirect addresses that a sector_identifier_uri lists, a JSON array
// of strings (OpenID Connect Dynamic Client Registration 1.0, section 5). The HTTP client bounds
// how long that takes, and whom it calls.
func SectorRedirects(ctx context.Context, fetch *http.Client, uri string) ([]string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, errSector
	}
	r.Header.Set("Accept", "application/json")
	res, err := fetch.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%w: it cannot be called", errSector)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxSector+1))
	var list []string
	switch {
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%w: status %d", errSector, res.StatusCode)
	case err != nil, len(body) > maxSector, json.Unmarshal(body, &list) != nil:
		return nil, errSector
	}
	return list, nil
}

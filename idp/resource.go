package idp

import (
	"net/url"
	"slices"
	"strings"
)

// Bounds of resource indicators.
const (
	MaxResources   = 10  // of one request, and of one application
	MaxResourceURI = 255 // bytes
)

// ValidResource reports whether a text can name a resource, an API that tokens are for: an
// absolute URI without a fragment (RFC 8707, section 2; RFC 3986, section 4.3). It is compared
// byte by byte afterwards.
func ValidResource(s string) bool {
	if s == "" || len(s) > MaxResourceURI || strings.ContainsAny(s, "# \"\\") || strings.ContainsFunc(s, func(r rune) bool { return r <= 0x20 || r >= 0x7f }) {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && u.IsAbs() && (u.Opaque != "" || u.Host != "") && u.User == nil
}

// StandsIn reports whether an audience names the client: by its id, or by a resource that it
// is registered to stand for.
func (c *Client) StandsIn(audience []string) bool {
	return slices.ContainsFunc(audience, c.is)
}

func (c *Client) is(name string) bool {
	return name == string(c.ID) || slices.Contains(c.Resources, name)
}

// Audiences are what the client's access tokens may be for, by its registration of now: its
// own id where none is named. The list is the caller's own.
func (c *Client) Audiences() []string {
	if len(c.Audience) == 0 {
		return []string{string(c.ID)}
	}
	return slices.Clone(c.Audience)
}

// Audiences are what access tokens of the grant are for now: the resources that it was asked
// for, as far as the client may still have tokens for them, else all that the client may have.
// Errors: TakenError, none of the resources is left.
func (g *Grant) Audiences(c *Client) ([]string, error) {
	may := c.Audiences()
	if len(g.Resources) == 0 {
		return may, nil
	}
	var left []string
	for _, r := range g.Resources {
		if slices.Contains(may, r) {
			left = append(left, r)
		}
	}
	if len(left) == 0 {
		return nil, &TakenError{"audience"}
	}
	return left, nil
}

package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"hilum/idp"
	"hilum/idp/serve"
)

// referenceTypes are what a request object at an address may say it is (RFC 9101, section
// 10.1); OpenID Connect demands none.
var referenceTypes = []string{"", "application/oauth-authz-req+jwt", "application/jwt", "application/jose", "text/plain", "application/octet-stream"}

var errReference = errors.New("no request object there")

// reference returns the address in a request at which its request object stands (OpenID
// Connect Core 1.0, section 6.2); empty: there is none. A handle of a pushed request is none.
func reference(sent url.Values) string {
	uri, ok := single(sent, "request_uri")
	if !ok || strings.HasPrefix(uri, pushedPrefix) {
		return ""
	}
	return uri
}

// takesReferences reports whether request objects at addresses of a client are read. Of one of
// FAPI 2.0, or that pushes its requests, they are not.
func (s *Server) takesReferences(c *idp.Client) bool {
	return len(c.Requests.URIs) > 0 && s.conf.Fetch != nil && !c.FAPI2() && !c.RequirePushed
}

// fetchObject reads the request object at an address that a client has registered, byte for
// byte, and so within the bounds of what it was registered by: nobody else decides whom we call.
// Each address of a browser is bounded, as one that pushes without a proof.
func (s *Server) fetchObject(ctx context.Context, c *idp.Client, uri string) (string, *objectFault) {
	refuse := func(code, text, what string) (string, *objectFault) {
		return "", &objectFault{errorResponse{code, text}, idp.RejectedRequestURI, what}
	}
	if !slices.Contains(c.Requests.URIs, uri) {
		return refuse(codeInvalidRequestURI, "The request_uri is not registered.", redactedURI(uri))
	}
	if s.conf.AllowPush != nil {
		if _, ok := s.conf.AllowPush(serve.From(ctx).Address); !ok {
			return refuse(codeUnavailable, "Too many requests at once; try again soon.", "too many")
		}
	}
	object, err := readReference(ctx, s.conf.Fetch, uri)
	if err != nil {
		return refuse(codeInvalidRequestURI, "The request_uri cannot be read.", err.Error())
	}
	return object, nil
}

// readReference reads a request object at an address, of which the fragment is not sent. The
// HTTP client bounds how long that takes, and whom it calls.
func readReference(ctx context.Context, fetch *http.Client, uri string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil) //nolint:gosec // of the registration, and fetch guards whom it calls
	if err != nil {
		return "", errReference
	}
	r.Header.Set("Accept", "application/oauth-authz-req+jwt, application/jwt")
	res, err := fetch.Do(r) //nolint:gosec // as above
	if err != nil {
		return "", fmt.Errorf("%w: it cannot be called", errReference)
	}
	defer res.Body.Close()
	kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch {
	case res.StatusCode != http.StatusOK:
		return "", fmt.Errorf("%w: status %d", errReference, res.StatusCode)
	case err != nil && res.Header.Get("Content-Type") != "", !slices.Contains(referenceTypes, kind):
		return "", fmt.Errorf("%w: %s", errReference, shown(res.Header.Get("Content-Type")))
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxToken+1))
	object := strings.TrimSpace(string(body))
	if err != nil || len(body) > maxToken || object == "" {
		return "", fmt.Errorf("%w: the answer is empty, too long, or breaks off", errReference)
	}
	return object, nil
}

package oidc

import (
	"net/http"
	"net/url"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// result is what an endpoint that clients call answers with where nothing is wrong: a body, or
// none, of a media type; nil: JSON. It is the value of the header, which is shared by all
// responses.
type result struct {
	body []byte
	kind []string
}

// jsonKind is the media type of most responses (RFC 6749, section 5.1).
var jsonKind = []string{"application/json"}

// answer is an endpoint that clients call, beneath the front: the form of the request has each
// parameter once and well formed. Errors are the library's, and are written by it: an
// oidc.Error, with its status where that is not 400 (op.StatusError).
type answer func(r *http.Request) (result, error)

func (do answer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	got, err := do(r)
	if err != nil {
		op.WriteError(w, r, err, nil)
		return
	}
	if got.kind == nil {
		got.kind = jsonKind
	}
	w.Header()["Content-Type"] = got.kind
	_, _ = w.Write(got.body) // the caller went away
}

// missing is invalid_request for the first of the parameters that a form does not have (RFC
// 6749, section 5.2); nil: it has all.
func missing(form url.Values, names ...string) error {
	for _, name := range names {
		if form.Get(name) == "" {
			return oidc.ErrInvalidRequest().WithDescription("%s missing", name)
		}
	}
	return nil
}

package adminapi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/adminapi"
	"hilum/idp/idptest"
)

// described is the document, read by a library that is not ours.
var described = sync.OnceValue(func() *openapi3.T {
	doc, err := openapi3.NewLoader().LoadFromData(adminapi.Document)
	if err != nil {
		panic(err)
	}
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", openapi3filter.PlainBodyDecoder)
	return doc
})

// operationOf finds what a path is described as, and its parameters.
func operationOf(doc *openapi3.T, method, path string) (*routers.Route, map[string]string) {
	parts := strings.Split(strings.TrimPrefix(path, strings.TrimSuffix(adminapi.Prefix, "/")), "/")
	for _, literal := range []bool{true, false} { // /users/import before /users/{user}
		for name, item := range doc.Paths.Map() {
			o := item.GetOperation(method)
			pattern := strings.Split(name, "/")
			if o == nil || len(pattern) != len(parts) || literal != !strings.Contains(name, "{") {
				continue
			}
			params := map[string]string{}
			fits := true
			for i, p := range pattern {
				if in, ok := strings.CutPrefix(p, "{"); ok {
					params[strings.TrimSuffix(in, "}")] = parts[i]
				} else if p != parts[i] {
					fits = false
				}
			}
			if _, dev := params["device"]; fits && (!dev || params["device"] != "unlink") {
				return &routers.Route{Spec: doc, Path: name, PathItem: item, Method: method, Operation: o}, params
			}
		}
	}
	return nil, nil
}

// isAsWritten holds an answer against the document: status, headers and body
// have to be described, and the request has to be where it was accepted.
func (w *world) isAsWritten(r *http.Request, got *reply) {
	w.Helper()
	doc := described()
	route, params := operationOf(doc, r.Method, r.URL.Path)
	if route == nil {
		if got.StatusCode != http.StatusNotFound && got.StatusCode != http.StatusMethodNotAllowed {
			w.Errorf("%s %s is not described and answers %d", r.Method, r.URL.Path, got.StatusCode)
		}
		got.problem(w)
		return
	}
	if got.StatusCode == http.StatusUnauthorized || got.StatusCode == http.StatusForbidden {
		if got.Header.Get("WWW-Authenticate") == "" && !strings.Contains(got.body, "denied") {
			w.Errorf("%s %s: %d without a challenge", r.Method, r.URL.Path, got.StatusCode)
		}
	}
	if r.GetBody != nil {
		r.Body = idptest.Must(r.GetBody())(w)
	}
	in := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, QueryParams: r.URL.Query(), Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true},
	}
	if got.StatusCode < 300 {
		if err := openapi3filter.ValidateRequest(w.Context(), in); err != nil {
			w.Errorf("%s %s was accepted and is not as described: %v", r.Method, r.URL, err)
		}
	}
	err := openapi3filter.ValidateResponse(w.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: got.StatusCode, Header: got.Header, Body: io.NopCloser(strings.NewReader(got.body)), Options: in.Options,
	})
	if err != nil {
		w.Errorf("%s %s answers %d, not as described: %v\n%s", r.Method, r.URL, got.StatusCode, err, got.body)
	}
}

func TestDocumentIsOne(t *testing.T) {
	doc := described()
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	ids := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			if o.Summary == "" || !strings.HasSuffix(o.Summary, ".") || ids[o.OperationID] || o.OperationID == "" || len(o.Tags) != 1 {
				t.Errorf("%s %s: a sentence, a tag and an id of its own are wanted", method, path)
			}
			ids[o.OperationID] = true
		}
	}
	w := newWorld(t)
	if r := w.ask("", "GET", adminapi.Base+"/openapi.json", ""); !bytes.Equal([]byte(r.body), adminapi.Document) || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%d, %d bytes", r.StatusCode, len(r.body))
	}
}

// No route without an operation, none the other way round, and the roles of each
// are those of the table of acts.
func TestRoutesAreDescribed(t *testing.T) {
	doc := described()
	left := map[string]*openapi3.Operation{}
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			left[method+" "+path] = o
		}
	}
	for _, o := range newWorld(t).door.Operations() {
		name := o.Method + " /v1" + o.Path
		op := left[name]
		if op == nil {
			t.Errorf("%s is not described", name)
			continue
		}
		delete(left, name)
		var want, got []string
		for _, role := range roles {
			if o.Act != "" && admin.May(role, o.Act) {
				want = append(want, idp.ScopeOf(role))
			}
		}
		for _, one := range *op.Security {
			got = append(got, one["client_credentials"]...)
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s is described for %v, and there for %v", name, got, want)
		}
	}
	for name := range left {
		t.Errorf("%s is described, and there is none", name)
	}
}

// example is the request that the document shows of an operation, with what
// stands for something in its place.
func (w *world) example(o adminapi.Operation) (path, body, kind string) {
	w.Helper()
	op := described().Paths.Value("/v1" + o.Path).GetOperation(o.Method)
	path = adminapi.Base + o.Path
	query := url.Values{}
	for _, p := range op.Parameters {
		v := p.Value
		switch {
		case v.In == "path":
			path = strings.ReplaceAll(path, "{"+v.Name+"}", fmt.Sprint(v.Example))
		case v.Example == nil:
			if v.Required {
				w.Errorf("%s %s: no example of %s", o.Method, o.Path, v.Name)
			}
		default:
			if list, ok := v.Example.([]any); ok {
				for _, one := range list {
					query.Add(v.Name, fmt.Sprint(one))
				}
			} else {
				query.Set(v.Name, fmt.Sprint(v.Example))
			}
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	if op.RequestBody != nil {
		content := op.RequestBody.Value.Content
		kind = slices.Sorted(maps.Keys(content))[len(content)-1] // the merge patch, where there is one
		ex := content[kind].Example
		if text, ok := ex.(string); ok {
			body = text
		} else {
			body = string(idptest.Must(json.Marshal(ex))(w))
		}
	}
	real := strings.NewReplacer("0CR2MG4F3G9J6T8V1B5N7K2D4H", string(w.anna.ID), "0CR2MH0K5S1P8R3T6W9Y2B4D7F", string(w.device), "0CR2MHQ4N7S2V5X8B1D3F6H9KM", string(w.live))
	return real.Replace(path), real.Replace(body), kind
}

// send sends an example.
func (w *world) send(token string, o adminapi.Operation) *reply {
	w.Helper()
	path, body, kind := w.example(o)
	return w.ask(token, o.Method, path, body, "Content-Type", kind)
}

// prepare brings about what the example of an operation needs.
func (w *world) prepare(o adminapi.Operation) {
	w.Helper()
	ctx := w.Context()
	switch o.Path {
	case "/users/invite", "/users/{user}/invite":
		idptest.Must(w.desk.UnlinkDevices(ctx, console, []idp.DeviceID{w.device}, admin.Why{Reason: "before"}))(w)
	case "/registration-tokens/{token}", "/registration-tokens/{token}/block":
		r := &idp.RegistrationToken{ID: "0CR2MJ7Q5T9X2C4F6H8K1N3P5S", Name: "Supplier", Hash: idp.NewToken().Hash(), Uses: 1, CreatedAt: w.clock.Now(), ExpiresAt: w.clock.Now().Add(time.Hour)}
		if err := w.db.AddRegistrationToken(ctx, r); err != nil && !errors.Is(err, idp.ErrConflict) {
			w.Fatal(err)
		}
	case "/users/{user}/enable":
		if err := w.desk.Disable(ctx, console, w.anna.ID, "before"); err != nil {
			w.Fatal(err)
		}
	}
}

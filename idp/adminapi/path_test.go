package adminapi_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/adminapi"
)

// Beneath the path of an issuer the description says where the operations are, and so do
// the links of the start.
func TestLinksAreBeneathThePath(t *testing.T) {
	w := newWorld(t, func(c *adminapi.Config) { c.Issuer += "/a/login" })
	ask := func(path string) []byte {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.srv.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+w.programs[idp.StaffAdmin].token)
		res, err := w.srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %v", path, res.StatusCode, err)
		}
		return b
	}
	var start struct {
		Links map[string]string `json:"links"`
	}
	if err := json.Unmarshal(ask(adminapi.Base), &start); err != nil || len(start.Links) < 10 {
		t.Fatalf("%v, %v", start, err)
	}
	for name, to := range start.Links {
		if !strings.HasPrefix(to, "/a/login"+adminapi.Base+"/") {
			t.Errorf("%s is at %s", name, to)
		}
	}
	var doc struct {
		Servers []struct {
			URL string `json:"url"`
		} `json:"servers"`
	}
	if err := json.Unmarshal(ask(adminapi.Base+"/openapi.json"), &doc); err != nil || len(doc.Servers) != 1 || doc.Servers[0].URL != "/a/login/admin/api" {
		t.Errorf("the operations are at %v, %v", doc.Servers, err)
	}
}

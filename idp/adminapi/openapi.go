package adminapi

import (
	_ "embed"
	"net/http"

	"hilum/idp/admin"
)

// document describes the door (OpenAPI 3.1). It is written by hand: what the
// tests find that is not so, is a fault of one of the two.
//
//go:embed openapi.json
var document []byte

// openAPI is there for everybody: it tells nothing of the site.
func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request, _ admin.By) error {
	w.Header().Set("Content-Type", typeJSON)
	_, _ = w.Write(document) // who went away does not read it
	return nil
}

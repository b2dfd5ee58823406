package adminapi

import (
	_ "embed"
	"net/http"

	"hilum/idp/admin"
)

// document describes the operations (OpenAPI 3.1). It is written by hand; the tests find
// where it and the operations differ.
//
//go:embed openapi.json
var document []byte

// openAPI sends the description of the API, to everybody: it tells nothing of the site.
func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request, _ admin.By) error {
	w.Header().Set("Content-Type", typeJSON)
	_, _ = w.Write(s.document) // who went away does not read it
	return nil
}

package adminapi

import "hilum/idp/admin"

// Operation is a row of the router's own list, for tests.
type Operation struct {
	Method, Path string
	Act          admin.Act
}

// Operations is the router's own list.
func (s *Server) Operations() []Operation {
	var out []Operation
	for _, o := range s.operations() {
		out = append(out, Operation{o.method, o.path, o.act})
	}
	return out
}

// Document is the description as it is served.
var Document = document

package oidc

import (
	"slices"
	"strings"

	"hilum/idp"
	"hilum/idp/claim"
)

// A portal that opens a study in a viewer says which by launch in the authorization request
// that it pushes, and the viewer is told by imagingstudy in the token response, for the scope
// launch/imagingstudy (SMART App Launch, launch context). Between the two the study stands in no
// address: neither in the browser's history nor in any log. So it is taken at the pushed
// authorization request endpoint alone, from clients that prove who they are; whoever sends it
// through the browser could have made it up, and has it written down on the way.

// maxUID is how many characters a UID has at most (DICOM PS3.5, section 9.1).
const maxUID = 64

// errLaunch refuses a launch that did not come by a pushed request of a client that has proven
// who it is.
var errLaunch = &errorResponse{codeInvalidRequest, "launch is taken in a pushed authorization request of a client that proves itself."}

// readLaunch reads launch, the UID of a study, for a client that is registered for the scope
// launch/imagingstudy and asks for it; of others it is ignored, as what is unknown is. nil: it
// is good, or there is none.
func readLaunch(req *idp.AuthRequest, c *idp.Client, launch string, asked []string) *errorResponse {
	switch {
	case launch == "" || !slices.Contains(c.Scopes, idp.ScopeStudy):
		return nil
	case !slices.Contains(asked, idp.ScopeStudy):
		return &errorResponse{codeInvalidScope, "launch needs the scope launch/imagingstudy."}
	}
	study := strings.TrimPrefix(launch, "urn:oid:")
	if !validUID(study) {
		return &errorResponse{codeInvalidRequest, "launch is no UID of a study, such as 1.2.840.1 or urn:oid:1.2.840.1."}
	}
	req.Study, req.Scopes = study, append(req.Scopes, idp.ScopeStudy)
	return nil
}

// validUID reports whether a text is a UID: numbers without leading zeros, between dots (DICOM
// PS3.5, section 9.1).
func validUID(s string) bool {
	if len(s) > maxUID {
		return false
	}
	parts := strings.Split(s, ".")
	for _, p := range parts {
		if p == "" || strings.Trim(p, "0123456789") != "" || len(p) > 1 && p[0] == '0' {
			return false
		}
	}
	return len(parts) > 1
}

// appendStudy writes the study that was opened, if scopes cover it: by its UID, and as a FHIR
// reference by identifier (SMART App Launch 2.0, fhirContext).
func appendStudy(b []byte, g *idp.Grant, scopes []string) []byte {
	if g.Study == "" || !slices.Contains(scopes, idp.ScopeStudy) {
		return b
	}
	b = append(b, `,"imagingstudy":`...)
	b = claim.AppendString(b, g.Study)
	b = append(b, `,"fhirContext":[{"type":"ImagingStudy","identifier":{"system":"urn:dicom:uid","value":`...)
	b = claim.AppendString(b, "urn:oid:"+g.Study)
	return append(b, '}', '}', ']')
}

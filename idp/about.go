package idp

import (
	"maps"
	"slices"
	"strings"
)

// ClientAbout is what an application that has registered itself says of itself (RFC 7591,
// section 2; OpenID Connect Dynamic Client Registration 1.0, section 2). Nothing is decided
// by it.
type ClientAbout struct {
	// Names are its names by language tag (client_name#de); that without a tag is Client.Name.
	Names    map[string]string `json:"names,omitempty"`
	Home     Tagged            `json:"home,omitempty"`     // client_uri
	Policy   Tagged            `json:"policy,omitempty"`   // policy_uri: what it does with what it is told of people
	Terms    Tagged            `json:"terms,omitempty"`    // tos_uri
	Logo     string            `json:"logo,omitempty"`     // logo_uri, which was read once, as Client.Icon
	Contacts []string          `json:"contacts,omitempty"` // of who runs it, for the administration

	SoftwareID      string `json:"software_id,omitempty"`
	SoftwareVersion string `json:"software_version,omitempty"`
}

// Tagged are texts of one meaning by language tag (BCP 47; RFC 7591, section 2.2); the one
// without a tag has the key "".
type Tagged map[string]string

// In is the text for a reader of a language: of its tag, else of its primary language, else
// the one without a tag. Empty: there is none of these.
func (t Tagged) In(lang string) string {
	primary, _, _ := strings.Cut(lang, "-")
	for _, want := range []string{lang, primary, ""} {
		for tag, text := range t {
			if strings.EqualFold(tag, want) {
				return text
			}
		}
	}
	return ""
}

// texts are all of them.
func (t Tagged) texts() []string {
	return slices.Sorted(maps.Values(t))
}

// NameIn is the name of the application for a reader of a language.
func (c *Client) NameIn(lang string) string {
	if name := Tagged(c.About.Names).In(lang); name != "" {
		return name
	}
	return c.Name
}

// ClientRequests is what counts of the authorization requests of an application besides what
// they say.
type ClientRequests struct {
	MaxAge    *int64   `json:"max_age,omitempty"`    // default_max_age, in seconds; nil: none
	ACRValues []string `json:"acr_values,omitempty"` // default_acr_values
	URIs      []string `json:"uris,omitempty"`       // request_uris, where its request objects may be fetched
}

package words

import "fmt"

// reasons are those that one sentence says for several. Every other reason is the key
// of its own sentence.
var reasons = map[string]string{
	"client.audience.many": "claims.wrong.many",
	"client.default.many":  "claims.wrong.many",
	"client.claims.many":   "claims.wrong.many",
	"client.groups.many":   "claims.wrong.many",
	"client.origin.many":   "claims.wrong.many",
	"client.redirect.many": "claims.wrong.many",
	"client.scopes.many":   "claims.wrong.many",
	"list.facet.bad":       "list.unknown",
	"list.sort.bad":        "list.unknown",
}

// Reason is the key of the sentence that says why a field cannot be as it is.
// message is the Message of an idp.FieldError.
func Reason(message string) string {
	if key, ok := reasons[message]; ok {
		return key
	}
	return message
}

// Fault says of a field, by the name that a door has for it, why it cannot be as it is:
// «email: This is not an e-mail address.» message is the Message of an
// idp.FieldError; args are what its sentence speaks of. Where there are no words the
// message itself stands in their place, which finds the check that refused.
func (c *Catalogue) Fault(field, message string, args ...any) string {
	said, err := c.Text(Reason(message), args...)
	if err != nil {
		said = message
	}
	return fmt.Sprintf("%s: %s", field, said)
}

package idp

import (
	"slices"
	"strings"
)

// purposePrefix begins a scope by which a client says what it wants access for: the purpose of
// use of IHE Internet User Authorization (IUA), where scopes convey what the client alone knows
// (ITI TF-2: 3.71.4.1.3). A system, «|» and a code follow, as FHIR writes a token:
//
//	purpose_of_use=http://terminology.hl7.org/CodeSystem/v3-ActReason|TREAT
//
// Which of them a client may ask for its registration says, as of every scope.
const purposePrefix = "purpose_of_use="

// Systems of codes of purposes.
const (
	SystemActReason = "http://terminology.hl7.org/CodeSystem/v3-ActReason" // HL7 v3 ActReason
	SystemSwissEPR  = "urn:oid:2.16.756.5.30.1.127.3.10.5"                 // purposes of the Swiss electronic patient record
)

// actReason are the names of HL7 v3 ActReason: as FHIR has it, by its OID, and by that of the
// value set PurposeOfUse in it.
var actReason = []string{SystemActReason, "urn:oid:2.16.840.1.113883.5.8", "urn:oid:2.16.840.1.113883.1.11.20448"}

// Coding is a code of a system of codes, as FHIR has it.
type Coding struct{ System, Code string }

// ParseCoding reads «system|code». false: it is none, the system is no absolute URI.
func ParseCoding(s string) (Coding, bool) {
	system, code, ok := strings.Cut(s, "|")
	c := Coding{system, code}
	return c, ok && ValidResource(system) && code != "" && !strings.ContainsAny(code, "| ")
}

// IsPurpose reports whether a scope has the form of a purpose, be it well formed or not.
func IsPurpose(scope string) bool { return strings.HasPrefix(scope, purposePrefix) }

// PurposeOf returns the purpose that a scope says; false: it says none.
func PurposeOf(scope string) (Coding, bool) {
	what, ok := strings.CutPrefix(scope, purposePrefix)
	if !ok {
		return Coding{}, false
	}
	return ParseCoding(what)
}

// Purposes are the purposes that scopes say, in their order.
func Purposes(scopes []string) []Coding {
	var out []Coding
	for _, s := range scopes {
		if c, ok := PurposeOf(s); ok {
			out = append(out, c)
		}
	}
	return out
}

// PurposeText is the codes of the purposes that scopes say, for the audit log; empty: none.
func PurposeText(scopes []string) string {
	var codes []string
	for _, c := range Purposes(scopes) {
		codes = append(codes, c.Code)
	}
	return strings.Join(codes, " ")
}

// IsActReason reports whether the code is one of HL7 v3 ActReason.
func (c Coding) IsActReason() bool { return slices.Contains(actReason, c.System) }

// Emergency reports whether the code claims an emergency, by which people see what they
// otherwise may not: emergency treatment, or breaking the glass.
func (c Coding) Emergency() bool {
	return c.IsActReason() && (c.Code == "ETREAT" || c.Code == "BTG") || c.System == SystemSwissEPR && c.Code == "EMER"
}

// Emergency reports whether scopes claim an emergency. Only a person can, and has to say so
// each time: no session answers such a request alone, and no program can have it for itself.
func Emergency(scopes []string) bool { return slices.ContainsFunc(Purposes(scopes), Coding.Emergency) }

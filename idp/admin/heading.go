package admin

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"hilum/idp"
	"hilum/idp/text"
)

// ImportHeading is what the first line of a file of people may name, in any
// order; username is needed. Lists (roles, groups) are separated by spaces or
// bars; columns by commas, semicolons or tabs, as the first line has it.
var ImportHeading = []string{"username", "name", "given_name", "family_name", "email", "phone", "locale", "roles", "groups"}

// exportOnly are columns of an exported file which an import leaves out: state,
// devices and time are not anybody's to set, and a role in the administration is
// given to one person at a time.
var exportOnly = []string{"state", "staff", "devices", "added_at"}

// ColumnsError is a FieldError of the heading that says which columns.
type ColumnsError struct {
	Fault *idp.FieldError // import.column: there are no such; import.column.twice
	Names []string        // as the file has them
	Near  []string        // for each, the column that may be meant, or empty
}

func (e *ColumnsError) Error() string { return e.Fault.Error() + ": " + e.List() }
func (e *ColumnsError) Unwrap() error { return e.Fault }

// List is the columns in one line of text, which has no language: «emial (email?),
// shoe».
func (e *ColumnsError) List() string {
	const most, letters = 10, 40
	var b strings.Builder
	for i, name := range e.Names {
		if i == most {
			b.WriteString(", …")
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		if utf8.RuneCountInString(name) > letters {
			name = string([]rune(name)[:letters]) + "…"
		}
		b.WriteString(strings.Map(func(r rune) rune {
			if !unicode.IsPrint(r) {
				return '\uFFFD'
			}
			return r
		}, name))
		if e.Near[i] != "" {
			b.WriteString(" (" + e.Near[i] + "?)")
		}
	}
	return b.String()
}

// alike are words that people write over columns.
var alike = map[string]string{
	"user": "username", "login": "username", "loginname": "username", "account": "username", "userid": "username", "signinname": "username", "samaccountname": "username",
	"benutzer": "username", "benutzername": "username", "gebruiker": "username", "gebruikersnaam": "username", "utilisateur": "username", "identifiant": "username",
	"displayname": "name", "fullname": "name", "naam": "name", "nomcomplet": "name", "vollername": "name",
	"first": "given_name", "firstname": "given_name", "vorname": "given_name", "voornaam": "given_name", "prenom": "given_name", "prénom": "given_name",
	"last": "family_name", "lastname": "family_name", "surname": "family_name", "nachname": "family_name", "achternaam": "family_name", "familienaam": "family_name", "familienname": "family_name", "nom": "family_name",
	"mail": "email", "mailaddress": "email", "emailaddress": "email", "courriel": "email", "mailadresse": "email",
	"telephone": "phone", "telefon": "phone", "telefoon": "phone", "téléphone": "phone", "mobile": "phone", "tel": "phone", "phonenumber": "phone",
	"language": "locale", "lang": "locale", "sprache": "locale", "taal": "locale", "langue": "locale",
	"gruppen": "groups", "groepen": "groups", "groupes": "groups", "rollen": "roles", "rôles": "roles",
}

// nearColumn is the column that may be meant by a word, or empty.
func nearColumn(word string) string {
	bare := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return r
		}
		return -1
	}, word)
	if near := alike[bare]; near != "" {
		return near
	}
	best, least := "", 3
	for _, h := range ImportHeading {
		if d := distance(bare, strings.ReplaceAll(h, "_", "")); d < least && (d < 2 || strings.HasPrefix(bare, h[:1])) {
			best, least = h, d
		}
	}
	return best
}

// distance is how many letters are to be changed, added or taken to make one word
// of the other (Levenshtein). Long words are far from all.
func distance(a, b string) int {
	const far = 40
	from, to := []rune(a), []rune(b)
	if len(from) > far || len(to) > far {
		return far
	}
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i, r := range from {
		diagonal := row[0]
		row[0] = i + 1
		for j, q := range to {
			change := diagonal
			if r != q {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(to)]
}

// badFile is the FieldError for what is wrong with a file as a whole.
func badFile(message string) error { return &idp.FieldError{Field: "file", Message: message} }

// openTable finds the heading of a file and its separator, and leaves the table
// there. Errors: FieldError (a workbook, UTF-16, nothing in it, a first line that is
// too long or names no separator).
func openTable(file string) (*table, error) {
	for _, kind := range []struct{ begin, message string }{
		{"\xff\xfe", "import.utf16"}, {"\xfe\xff", "import.utf16"},
		{"PK\x03\x04", "import.workbook"}, {"\xd0\xcf\x11\xe0", "import.workbook"},
	} {
		if strings.HasPrefix(file, kind.begin) {
			return nil, badFile(kind.message)
		}
	}
	t := &table{rest: strings.TrimPrefix(file, "\ufeff"), line: 1} // spreadsheets put it there
	for first := true; t.rest != ""; first = false {
		line, end := lineOf(t.rest)
		if len(line) > maxRow {
			return nil, badFile("import.columns.many")
		}
		if strings.Contains(line, "\x00") {
			return nil, badFile("import.utf16")
		}
		// What Excel reads as the separator of all that follows.
		if said, is := cutFold(strings.Trim(line, "\""), "sep="); first && is {
			if said == "" || !strings.Contains(",;\t", said[:1]) || strings.Trim(said, said[:1]+"\" ") != "" {
				return nil, badFile("import.separator")
			}
			t.sep = said[0]
			t.skip(end, 1)
			continue
		}
		if strings.TrimFunc(line, func(r rune) bool { return strings.ContainsRune(",;\"", r) || unicode.IsSpace(r) }) == "" {
			t.skip(end, 1)
			continue
		}
		if t.sep == 0 {
			t.sep = separator(line)
		}
		return t, nil
	}
	return nil, badFile("import.empty")
}

// cutFold is strings.CutPrefix in any case of ASCII.
func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// separator is the sign that a heading is separated by: what it has most of,
// outside quotation marks.
func separator(heading string) byte {
	count, quoted := [256]int{}, false
	for i := range len(heading) {
		if heading[i] == '"' {
			quoted = !quoted
		}
		if !quoted {
			count[heading[i]]++
		}
	}
	best := byte(',')
	for _, sep := range []byte{';', '\t'} {
		if count[sep] > count[best] {
			best = sep
		}
	}
	return best
}

// heading says what each column is: its name, one of exportOnly, or empty where
// nothing stands above. Columns behind the last are not in it.
type heading struct {
	columns []string
	ignored []string // of exportOnly, those that are there
}

// readHeading reads the first row. Errors: FieldError, also as ColumnsError.
func readHeading(r *row) (*heading, error) {
	switch {
	case r.fault == "import.row.long":
		return nil, badFile("import.columns.many")
	case r.fault != "":
		return nil, &idp.FieldError{Field: "heading", Message: r.fault}
	}
	h := &heading{}
	unknown := &ColumnsError{Fault: &idp.FieldError{Field: "heading", Message: "import.column"}}
	twice := &ColumnsError{Fault: &idp.FieldError{Field: "heading", Message: "import.column.twice"}}
	for _, cell := range r.cells {
		if !utf8.ValidString(cell) {
			return nil, badFile("import.encoding")
		}
		typed := text.Form(cell)
		name := strings.ToLower(typed)
		switch {
		case name == "":
		case slices.Contains(h.columns, name):
			twice.Names, twice.Near = append(twice.Names, name), append(twice.Near, "")
		case slices.Contains(exportOnly, name):
			h.ignored = append(h.ignored, name)
		case !slices.Contains(ImportHeading, name):
			unknown.Names, unknown.Near = append(unknown.Names, typed), append(unknown.Near, nearColumn(name))
		}
		h.columns = append(h.columns, name)
	}
	for len(h.columns) > 0 && h.columns[len(h.columns)-1] == "" {
		h.columns = h.columns[:len(h.columns)-1]
	}
	switch {
	case len(unknown.Names) > 0:
		return nil, unknown
	case len(twice.Names) > 0:
		return nil, twice
	case !slices.Contains(h.columns, "username"):
		return nil, &idp.FieldError{Field: "heading", Message: "import.username"}
	}
	return h, nil
}

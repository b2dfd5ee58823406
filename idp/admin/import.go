package admin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"hilum/idp"
)

// ImportFault is one thing wrong with a file of people.
type ImportFault struct {
	Line int    // the first is 1, the heading
	Name string // sign-in name, as far as there is one
	Err  error  // FieldError, with the message key that says it to a person; idp.ErrConflict: the name is taken
}

// Import is what an import did, or would do.
type Import struct {
	People int           // lines that are good
	Faults []ImportFault // by line; at most MaxImportFaults
	More   bool          // there are more faults
	Added  int           // 0 with faults or in a dry run
	Users  []idp.UserID  // of those added, in the order of lines

	// With ImportHow.Mail:
	Mailed       int        // invitations that are on their way, or would be
	Unmailed     []Unmailed // by line; at most MaxImportFaults
	MoreUnmailed int        // there are so many more
}

// ImportHow says what an import is to do.
type ImportHow struct {
	Dry  bool // check only
	Mail bool // send everybody who is added an invitation
}

// Unmailed is somebody of a file who gets no invitation by mail.
type Unmailed struct {
	Line int
	Name string     // sign-in name
	User idp.UserID // empty in a dry run
	Err  error      // FieldError (no address); as Invite, when it was refused
}

// ImportStep is how far an import is.
type ImportStep struct {
	Adding   bool // people; else lines are checked
	Mailing  bool // invitations, when all are added
	Done, Of int
}

// After how many lines that are checked, and people who are written to, an import
// says how far it is.
const (
	checkedAtOnce = 500
	mailedAtOnce  = 50
)

// Bounds of an import.
const (
	MaxImport       = 50_000 // people
	MaxImportBytes  = 20 << 20
	MaxImportFaults = 1000
	maxListed       = 100 // roles, groups of one person
)

// ImportHeading is what the first line of a file of people may name, in any
// order; username is needed. Lists (roles, groups) are separated by spaces or
// bars; columns by commas, semicolons or tabs, as the first line has it.
var ImportHeading = []string{"username", "name", "given_name", "family_name", "email", "phone", "locale", "roles", "groups"}

// ImportUsers adds the people of a file (RFC 4180, UTF-8), all or none: with a
// single faulty line nobody is added, and every faulty line is named. dry
// checks only. progress is told how far it is, now and then; nil: nobody.
// Errors: idp.ErrDenied, idp.ErrStale, FieldError (the heading, the size, not
// UTF-8, this site sends no mail), idp.ErrConflict when a name was taken meanwhile,
// and that of ctx when it ends before all are added; nobody is added then. Faults
// are no error. Invitations are sent when all are added, each in a transaction of
// its own; where that breaks off, the error comes with what was done.
func (d *Desk) ImportUsers(ctx context.Context, by By, r io.Reader, how ImportHow, progress func(ImportStep)) (*Import, error) {
	if progress == nil {
		progress = func(ImportStep) {}
	}
	if err := d.allow(ctx, by, AddUsers); err != nil {
		return nil, err
	}
	if how.Mail {
		// Asked now and not for each: what takes long must not go stale in the middle.
		if err := d.allow(ctx, by, Invite); err != nil {
			return nil, err
		}
		if err := d.sends(ViaMail); err != nil {
			return nil, err
		}
	}
	data, err := io.ReadAll(io.LimitReader(r, MaxImportBytes+1))
	if err != nil {
		return nil, err
	}
	users, lines, out, err := readPeople(data)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(users))
	for i := range users {
		names[i] = users[i].Name
	}
	is := map[string]bool{}
	progress(ImportStep{Of: len(names)})
	for done := 0; done < len(names); {
		batch := names[done:min(done+checkedAtOnce, len(names))]
		taken, err := d.Store.TakenNames(ctx, batch)
		if err != nil {
			return nil, err
		}
		for _, name := range taken {
			is[name] = true
		}
		done += len(batch)
		progress(ImportStep{Done: done, Of: len(names)})
	}
	if len(is) > 0 {
		for i := range users {
			if is[users[i].Name] {
				out.fault(lines[i], users[i].Name, idp.ErrConflict)
				out.People--
			}
		}
		slices.SortStableFunc(out.Faults, func(a, b ImportFault) int { return a.Line - b.Line })
	}
	out.More = len(out.Faults) > MaxImportFaults
	out.Faults = out.Faults[:min(len(out.Faults), MaxImportFaults)]
	if len(out.Faults) > 0 || len(users) == 0 {
		return out, nil
	}
	if how.Dry {
		if how.Mail {
			for i := range users {
				out.mailed(d.Reachable(&users[i], ViaMail), lines[i], &users[i])
			}
		}
		return out, nil
	}
	for i := range users {
		d.fresh(by, &users[i])
	}
	sum := sha256.Sum256(data)
	e := d.event(idp.EventUsersImported, by, map[string]string{"count": strconv.Itoa(len(users)), "sha256": hex.EncodeToString(sum[:])})
	progress(ImportStep{Adding: true, Of: len(users)})
	err = d.Store.AddUsers(ctx, users, e, func(done int) { progress(ImportStep{Adding: true, Done: done, Of: len(users)}) })
	if err != nil {
		return nil, err
	}
	out.Added = len(users)
	for i := range users {
		out.Users = append(out.Users, users[i].ID)
	}
	if !how.Mail {
		return out, nil
	}
	progress(ImportStep{Mailing: true, Of: len(users)})
	for i := range users {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		_, err := d.inviteFirst(ctx, by, users[i].ID, ViaMail)
		switch {
		case err == nil, errors.Is(err, idp.ErrInvalid), errors.Is(err, idp.ErrNotFound), errors.Is(err, idp.ErrDenied), errors.Is(err, idp.ErrConflict):
			out.mailed(err, lines[i], &users[i])
		default: // ours; the next would come to the same
			return out, err
		}
		if done := i + 1; done%mailedAtOnce == 0 || done == len(users) {
			progress(ImportStep{Mailing: true, Done: done, Of: len(users)})
		}
	}
	return out, nil
}

// mailed notes what became of somebody's invitation.
func (i *Import) mailed(err error, line int, u *idp.User) {
	switch {
	case err == nil:
		i.Mailed++
	case len(i.Unmailed) < MaxImportFaults:
		i.Unmailed = append(i.Unmailed, Unmailed{line, u.Name, u.ID, err})
	default:
		i.MoreUnmailed++
	}
}

func (i *Import) fault(line int, name string, err error) {
	const bound = 80
	if len(name) > bound || !utf8.ValidString(name) {
		name = strings.ToValidUTF8(name[:min(len(name), bound)], "")
	}
	i.Faults = append(i.Faults, ImportFault{line, name, err})
}

func badFile(message string) error { return &idp.FieldError{Field: "file", Message: message} }

// readPeople reads a file. What is wrong with a line is a fault; what is wrong
// with all of it an error.
func readPeople(data []byte) (users []idp.User, lines []int, out *Import, err error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // spreadsheets put it there
	switch {
	case len(data) > MaxImportBytes:
		return nil, nil, nil, badFile("import.large")
	case !utf8.Valid(data):
		return nil, nil, nil, badFile("import.encoding")
	}
	first, _, _ := bytes.Cut(data, []byte("\n"))
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord = -1
	for _, sign := range ";\t" {
		if bytes.ContainsRune(first, sign) && !bytes.ContainsRune(first, ',') {
			r.Comma = sign
		}
	}
	heading, err := r.Read()
	if err != nil {
		return nil, nil, nil, badFile("import.empty")
	}
	columns, err := readHeading(heading)
	if err != nil {
		return nil, nil, nil, err
	}
	out = &Import{}
	seen := map[string]bool{}
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return users, lines, out, nil
		}
		if parse := (*csv.ParseError)(nil); errors.As(err, &parse) {
			// Where the signs are wrong, the lines behind cannot be told apart.
			out.fault(parse.Line, "", badFile("import.quotes"))
			return users, lines, out, nil
		}
		if err != nil {
			return nil, nil, nil, err
		}
		if len(users)+len(out.Faults) >= MaxImport {
			return nil, nil, nil, badFile("import.many")
		}
		line, _ := r.FieldPos(0)
		u, err := personOf(columns, record)
		switch {
		case err == nil && seen[u.Name]:
			err = &idp.FieldError{Field: "username", Message: "import.twice"}
		case err == nil:
			seen[u.Name] = true
			users, lines = append(users, *u), append(lines, line)
			out.People++
		}
		if err != nil {
			out.fault(line, u.Name, err)
		}
	}
}

// readHeading says what each column is.
func readHeading(heading []string) ([]string, error) {
	columns := make([]string, len(heading))
	for i, h := range heading {
		h = strings.ToLower(strings.TrimSpace(h))
		if !slices.Contains(ImportHeading, h) {
			return nil, &idp.FieldError{Field: "heading", Message: "import.column"}
		}
		if slices.Contains(columns, h) {
			return nil, &idp.FieldError{Field: "heading", Message: "import.column.twice"}
		}
		columns[i] = h
	}
	if !slices.Contains(columns, "username") {
		return nil, &idp.FieldError{Field: "heading", Message: "import.username"}
	}
	return columns, nil
}

// personOf reads one line; the person is there also with an error, as far as it got.
func personOf(columns, record []string) (*idp.User, error) {
	u := &idp.User{}
	if len(record) != len(columns) {
		if len(record) > 0 {
			u.Name = idp.FoldName(record[0])
		}
		return u, &idp.FieldError{Field: "line", Message: "import.cells"}
	}
	for i, column := range columns {
		cell := strings.TrimSpace(record[i])
		switch column {
		case "username":
			u.Name = idp.FoldName(cell)
		case "name":
			u.DisplayName = cell
		case "given_name":
			u.GivenName = cell
		case "family_name":
			u.FamilyName = cell
		case "email":
			u.Email, u.EmailVerified = cell, cell != ""
		case "phone":
			u.Phone, u.PhoneVerified = cell, cell != ""
		case "locale":
			u.Locale = cell
		case "roles":
			u.Roles = ReadList(cell)
		case "groups":
			u.Groups = ReadList(cell)
		}
	}
	if u.DisplayName == "" {
		u.DisplayName = strings.TrimSpace(u.GivenName + " " + u.FamilyName)
	}
	if u.DisplayName == "" {
		u.DisplayName = u.Name
	}
	return u, ValidatePerson(u)
}

// ReadList cuts one line of text into roles or groups, at its spaces; at its bars
// where it has any, so that names may have spaces in them: "ct mr", "tumour
// board|ct", "tumour board|".
func ReadList(line string) []string {
	if !strings.Contains(line, "|") {
		return strings.Fields(line)
	}
	var list []string
	for one := range strings.SplitSeq(line, "|") {
		if one = strings.TrimSpace(one); one != "" {
			list = append(list, one)
		}
	}
	return list
}

// WriteList is the line that ReadList reads a list from.
func WriteList(list []string) string {
	if !slices.ContainsFunc(list, func(one string) bool { return strings.Contains(one, " ") }) {
		return strings.Join(list, " ")
	}
	if len(list) == 1 {
		return list[0] + "|"
	}
	return strings.Join(list, "|")
}

// ValidatePerson checks what is typed about a person. Errors: FieldError.
func ValidatePerson(u *idp.User) error {
	for _, text := range []struct {
		field, value string
	}{{"given_name", u.GivenName}, {"family_name", u.FamilyName}, {"phone", u.Phone}, {"locale", u.Locale}} {
		if err := idp.ValidText(text.field, text.value, 0, idp.MaxDisplayName); err != nil {
			return err
		}
	}
	if err := validListed("roles", u.Roles); err != nil {
		return err
	}
	if err := validListed("groups", u.Groups); err != nil {
		return err
	}
	return u.Validate()
}

func validListed(field string, list []string) error {
	if len(list) > maxListed {
		return &idp.FieldError{Field: field, Message: "text.long"}
	}
	for _, s := range list {
		if err := idp.ValidText(field, s, 1, idp.MaxName); err != nil {
			return err
		}
	}
	return nil
}

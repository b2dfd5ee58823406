package admin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"hilum/idp"
	"hilum/idp/text"
)

// ImportFault is one thing wrong with a file of people. A line may have several.
type ImportFault struct {
	Line int    // the first is 1
	Name string // sign-in name, as far as there is one
	Err  error  // FieldError of a column, with the message key that says it to a person; idp.ErrConflict: the name is taken
}

// Import is what an import did, or would do.
type Import struct {
	People  int           // lines that are good
	Faulty  int           // lines that are not
	Faults  []ImportFault // by line; at most MaxImportFaults
	More    bool          // there are more faults
	Ignored []string      // columns that stand in files that were exported, and are left out
	Added   int           // 0 with faults or in a dry run
	Users   []idp.UserID  // of those added, in the order of lines

	// With ImportHow.Mail:
	Mailed       int        // invitations that are on their way, or would be
	Unmailed     []Unmailed // by line; at most MaxImportFaults
	MoreUnmailed int        // how many Unmailed leaves out
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
)

// ImportUsers adds the people of a file (RFC 4180, UTF-8), all or none: with a
// single faulty line nobody is added, and every fault is named, with its line and
// column. What spreadsheets leave behind is passed over: rows and columns without
// anything in them, and a first line that names the separator. No two people of
// an import have one mail address, and nobody has one of theirs already. progress is
// told how far it is, now and then; nil: nobody. Invitations are sent when all are
// added, each in a transaction of its own; where that breaks off, the error comes
// with what was done.
//
// Errors, with nobody added: idp.ErrDenied, idp.ErrStale; FieldError (the heading,
// also as ColumnsError; the size; a file of another kind; this site sends no mail);
// idp.ErrConflict when a name was taken meanwhile; those of r, and that of ctx when it
// ends before all are added. Faults are no error.
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
	var file strings.Builder
	if known, ok := r.(interface{ Len() int }); ok {
		file.Grow(min(known.Len(), MaxImportBytes+1))
	}
	if _, err := io.Copy(&file, io.LimitReader(r, MaxImportBytes+1)); err != nil {
		return nil, err
	}
	p, err := readPeople(file.String())
	if err != nil {
		return nil, err
	}
	if err := d.whoIsThere(ctx, p, progress); err != nil {
		return nil, err
	}
	users, lines, out := p.users, p.lines, p.result()
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
		users[i].ID = idp.NewID[idp.UserID]()
	}
	digest := sha256.New()
	_, _ = io.WriteString(digest, file.String()) // never fails, by its contract
	e := d.event(idp.EventUsersImported, by, map[string]string{"count": strconv.Itoa(len(users)), "sha256": hex.EncodeToString(digest.Sum(nil))})
	progress(ImportStep{Adding: true, Of: len(users)})
	at := d.conf.Now()
	user := func(i int) idp.User {
		u := p.whole(i)
		d.fresh(by, &u, u.ID, at)
		return u
	}
	err = d.conf.Store.AddUsers(ctx, len(users), user, e, func(done int) { progress(ImportStep{Adding: true, Done: done, Of: len(users)}) })
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

// people are the people of a file, with what is wrong with it, while it is read.
type people struct {
	users  []idp.User // of lines that are good, without roles and groups
	lists  []lists    // of those
	lines  []int      // of those
	all    []typedPerson
	faults []ImportFault
	late   []ImportFault // what was found when all was read
	many   bool          // there are more than faults or late hold
	out    Import
}

// lists are roles and groups of a person as they stand in the file: taken apart, they
// would need ten times the memory for a large file.
type lists struct{ roles, groups string }

// whole is the i-th person, with the roles and groups of their line.
func (p *people) whole(i int) idp.User {
	u := p.users[i]
	u.Roles, u.Groups = listed(p.lists[i].roles), listed(p.lists[i].groups)
	tidy(&u)
	return u
}

// typedPerson is the name and the mail address of a line, which somebody may have
// already.
type typedPerson struct {
	line        int
	name, email string
	good        bool // in users
}

// bound cuts a sign-in name for a fault, after 80 bytes.
func bound(name string) string {
	const most = 80
	if len(name) > most {
		name = name[:most]
	}
	return strings.ToValidUTF8(name, "")
}

// fault adds a fault to a list, MaxImportFaults at most.
func (p *people) fault(to *[]ImportFault, line int, name string, err error) {
	if len(*to) == MaxImportFaults {
		p.many = true
		return
	}
	*to = append(*to, ImportFault{line, strings.Clone(bound(name)), err})
}

// result is the Import that comes of reading and of looking who is there.
func (p *people) result() *Import {
	out := &p.out
	out.Faults = append(p.faults, p.late...)
	slices.SortStableFunc(out.Faults, func(a, b ImportFault) int { return a.Line - b.Line })
	out.More = p.many || len(out.Faults) > MaxImportFaults
	out.Faults = out.Faults[:min(len(out.Faults), MaxImportFaults)]
	return out
}

// readPeople reads a file. What is wrong with a line is a fault; what is wrong with
// the file as a whole is an error. Errors: FieldError.
func readPeople(file string) (*people, error) {
	if len(file) > MaxImportBytes {
		return nil, badFile("import.large")
	}
	t, err := openTable(file)
	if err != nil {
		return nil, err
	}
	var r row
	if !t.next(&r) {
		return nil, badFile("import.empty")
	}
	h, err := readHeading(&r)
	if err != nil {
		return nil, err
	}
	p := &people{out: Import{Ignored: h.ignored}}
	names, emails := map[string]bool{}, map[string]bool{}
	rows := min(strings.Count(t.rest, "\n")+strings.Count(t.rest, "\r")+1, MaxImport)
	p.users, p.lists, p.lines, p.all = make([]idp.User, 0, rows), make([]lists, 0, rows), make([]int, 0, rows), make([]typedPerson, 0, rows)
	for t.next(&r) {
		u, faults := h.person(&r)
		if u == nil {
			continue
		}
		if len(p.users)+p.out.Faulty >= MaxImport {
			return nil, badFile("import.many")
		}
		is := typedPerson{line: r.line, name: u.Name}
		if idp.ValidMail(u.Email) {
			is.email = text.MailKey(u.Email)
		}
		if u.Name != "" && names[u.Name] {
			faults = append(faults, &idp.FieldError{Field: "username", Message: "import.twice"})
		}
		if is.email != "" && emails[is.email] {
			faults = append(faults, &idp.FieldError{Field: "email", Message: "import.email.twice"})
		}
		names[u.Name], emails[is.email] = true, true
		if is.good = len(faults) == 0; is.good {
			u.Roles, u.Groups = nil, nil
			p.users, p.lines = append(p.users, *u), append(p.lines, r.line)
			p.lists = append(p.lists, lists{h.cell(&r, "roles"), h.cell(&r, "groups")})
			p.out.People++
		} else {
			p.out.Faulty++
		}
		for _, f := range faults {
			p.fault(&p.faults, r.line, u.Name, f)
		}
		p.all = append(p.all, is)
	}
	return p, nil
}

// whoIsThere finds the lines whose name or mail address somebody has already.
func (d *Desk) whoIsThere(ctx context.Context, p *people, progress func(ImportStep)) error {
	progress(ImportStep{Of: len(p.all)})
	for done := 0; done < len(p.all); {
		batch := p.all[done:min(done+checkedAtOnce, len(p.all))]
		var names, emails []string
		for i := range batch {
			names = append(names, batch[i].name)
			if batch[i].email != "" {
				emails = append(emails, batch[i].email)
			}
		}
		taken, err := d.conf.Store.TakenNames(ctx, names)
		if err != nil {
			return err
		}
		had, err := d.conf.Store.TakenEmails(ctx, emails)
		if err != nil {
			return err
		}
		for i := range batch {
			at := &batch[i]
			var faults []error
			if slices.Contains(taken, at.name) {
				faults = append(faults, idp.ErrConflict)
			}
			if at.email != "" && slices.Contains(had, at.email) {
				faults = append(faults, &idp.FieldError{Field: "email", Message: "import.email.taken"})
			}
			if len(faults) > 0 && at.good {
				p.out.People--
				p.out.Faulty++
			}
			for _, err := range faults {
				p.fault(&p.late, at.line, at.name, err)
			}
		}
		done += len(batch)
		progress(ImportStep{Done: done, Of: len(p.all)})
	}
	return nil
}

// person reads one row, with all that is wrong with it; nil: the row is empty. With
// faults the person is returned too, with what could be read.
func (h *heading) person(r *row) (*idp.User, []*idp.FieldError) {
	u := &idp.User{}
	if r.fault != "" {
		at := "line"
		if r.fault == "import.quotes" && r.column < len(h.columns) && h.columns[r.column] != "" {
			at = h.columns[r.column]
		}
		return u, []*idp.FieldError{{Field: at, Message: r.fault}}
	}
	empty := true
	for i, cell := range r.cells {
		r.cells[i] = strings.TrimSpace(cell)
		empty = empty && r.cells[i] == ""
	}
	if empty {
		return nil, nil
	}
	var faults []*idp.FieldError
	broken := map[string]bool{} // columns that nothing more is said of
	for i, cell := range r.cells {
		column := ""
		if i < len(h.columns) {
			column = h.columns[i]
		}
		if column == "" {
			if cell != "" && len(faults) == 0 {
				faults = append(faults, &idp.FieldError{Field: "line", Message: "import.cells"})
			}
			continue
		}
		if !utf8.ValidString(cell) && slices.Contains(ImportHeading, column) {
			faults = append(faults, &idp.FieldError{Field: column, Message: "import.encoding"})
			broken[column] = true
			cell = ""
		}
		h.take(u, column, bare(cell))
	}
	if len(r.cells) < len(h.columns) {
		faults = append(faults, &idp.FieldError{Field: "line", Message: "import.cells"})
	}
	tidy(u)
	if u.DisplayName == "" {
		u.DisplayName = strings.TrimSpace(u.GivenName + " " + u.FamilyName)
	}
	if u.DisplayName == "" {
		u.DisplayName = u.Name
	}
	if broken["username"] || broken["given_name"] || broken["family_name"] {
		broken["name"] = true // it comes of them
	}
	if !slices.Contains(h.columns, "name") && u.DisplayName == u.Name {
		broken["name"] = true // what is wrong with it is wrong with the sign-in name
	}
	for _, f := range personFaults(u) {
		if !broken[f.Field] {
			faults = append(faults, f)
		}
	}
	return u, faults
}

// cell is what stands in a column of a row that was read; empty where there is no
// such column.
func (h *heading) cell(r *row, column string) string {
	i := slices.Index(h.columns, column)
	if i < 0 || i >= len(r.cells) {
		return ""
	}
	return bare(r.cells[i])
}

// take sets what a cell says of a person. Mail address and telephone number count as
// verified.
func (h *heading) take(u *idp.User, column, cell string) {
	switch column {
	case "username":
		u.Name = cell
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
		u.Roles = listed(cell)
	case "groups":
		u.Groups = listed(cell)
	}
}

// listed is ReadList, cut after one entry more than a person may have: that one is
// refused, and a file cannot fill the memory with the rest.
func listed(cell string) []string {
	list := ReadList(cell)
	return list[:min(len(list), maxListed+1)]
}

package admin_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
)

// try checks a file without adding anybody.
func (w *world) try(file string) (*admin.Import, error) {
	return w.ImportUsers(w.Context(), console, strings.NewReader(file), admin.ImportHow{Dry: true}, nil)
}

// said is what is wrong with a file, as «2 email user.email.bad; …».
func said(t *testing.T, got *admin.Import, err error) string {
	t.Helper()
	var columns *admin.ColumnsError
	var f *idp.FieldError
	switch {
	case errors.As(err, &columns):
		return columns.Fault.Message + ": " + columns.List()
	case errors.As(err, &f):
		return f.Field + " " + f.Message
	case err != nil:
		t.Fatal(err)
	}
	var all []string
	for _, fault := range got.Faults {
		what := "taken"
		if errors.As(fault.Err, &f) && !errors.Is(fault.Err, idp.ErrConflict) {
			what = f.Field + " " + f.Message
		}
		all = append(all, fmt.Sprint(fault.Line, " ", what))
	}
	return strings.Join(all, "; ")
}

// What a spreadsheet leaves behind is passed over, and what it is told of its
// separator is heard.
func TestSpreadsheetLeftoversAreSkipped(t *testing.T) {
	w := newWorld(t)
	anna := "anna Anna Maes a@x.example [ct mr]"
	for what, file := range map[string]string{
		"as it should be":            "username,name,email,groups\nanna,Anna Maes,a@x.example,ct mr\n",
		"empty rows":                 "username;name;email;groups\n;;;\nanna;Anna Maes;a@x.example;ct mr\n;;;\n;;;\n",
		"empty rows before":          ";;;\n\nusername;name;email;groups\nanna;Anna Maes;a@x.example;ct mr\n",
		"empty columns at the end":   "username;name;email;groups;;;\nanna;Anna Maes;a@x.example;ct mr;;;\n;;;;;;\n",
		"in the rows only":           "username;name;email;groups\nanna;Anna Maes;a@x.example;ct mr;;;;\n",
		"in the heading only":        "username;name;email;groups;;\nanna;Anna Maes;a@x.example;ct mr\n",
		"an empty column between":    "username;;name;email;;groups\nanna;;Anna Maes;a@x.example;;ct mr\n",
		"an empty column before":     "\tusername\tname\temail\tgroups\n\tanna\tAnna Maes\ta@x.example\tct mr\n",
		"a thousand empty columns":   "username;name;email;groups" + strings.Repeat(";", 1000) + "\nanna;Anna Maes;a@x.example;ct mr" + strings.Repeat(";", 16380) + "\n",
		"rows of spaces":             "username,name,email,groups\n   \n \t \n,  ,\t,\nanna,Anna Maes,a@x.example,ct mr\n \u00a0\u2003,\u00a0,,\n",
		"rows of quotation marks":    "username;name;email;groups\n\"\";\"\";\"\";\"\"\nanna;Anna Maes;a@x.example;ct mr\n",
		"spaces around":              " username ;\u00a0name; EMAIL ;Groups\n anna ; Anna Maes;\u00a0a@x.example ; ct mr \n",
		"sep=;":                      "sep=;\nusername;name;email;groups\nanna;Anna Maes;a@x.example;ct mr\n",
		"SEP=, and CRLF":             "SEP=,\r\nusername,name,email,groups\r\nanna,Anna Maes,a@x.example,ct mr\r\n",
		"sep= a tab":                 "sep=\t\nusername\tname\temail\tgroups\nanna\tAnna Maes\ta@x.example\tct mr\n",
		"sep=; between marks":        "\"sep=;\"\nusername;name;email;groups\nanna;Anna Maes;a@x.example;ct mr\n",
		"sep=; saved again":          "sep=;;;;\nusername;name;email;groups\nanna;Anna Maes;a@x.example;ct mr\n",
		"sep= against the heading":   "sep=;\nusername;\"name\";email;groups\nanna;Anna Maes;a@x.example;\"ct mr\"\n",
		"a byte order mark":          "\ufeffusername,name,email,groups\nanna,Anna Maes,a@x.example,ct mr\n",
		"a byte order mark and sep=": "\ufeffsep=;\r\nusername;name;email;groups\r\nanna;Anna Maes;a@x.example;ct mr\r\n",
		"lines that end with CR":     "username,name,email,groups\ranna,Anna Maes,a@x.example,ct mr\r",
		"no end of the last line":    "username,name,email,groups\nanna,Anna Maes,a@x.example,ct mr",
		"all between marks":          "\"username\",\"name\",\"email\",\"groups\"\n\"anna\",\"Anna Maes\",\"a@x.example\",\"ct mr\"\n",
		"a cell with an end of line": "username,name,email,groups\nanna,\"Anna Maes\n\",a@x.example,ct mr\n",
		"columns of an export":       "username,name,email,groups,state,staff,devices,added_at\nanna,Anna Maes,a@x.example,ct mr,active,admin,2,2026-01-02T03:04:05Z\n",
		"a million blank lines":      "username,name,email,groups\n" + strings.Repeat("\n", 1_000_000) + "anna,Anna Maes,a@x.example,ct mr\n",
	} {
		got, err := w.try(file)
		if s := said(t, got, err); s != "" || got.People != 1 {
			t.Errorf("%s: %s", what, s)
			continue
		}
		got, err = w.ImportUsers(t.Context(), console, strings.NewReader(file), admin.ImportHow{}, nil)
		if err != nil || got.Added != 1 {
			t.Fatalf("%s: %+v, %v", what, got, err)
		}
		u := w.user(got.Users[0])
		if s := fmt.Sprint(u.Name, " ", u.DisplayName, " ", u.Email, " ", u.Groups); s != anna || u.Staff != idp.StaffNone || u.State != idp.UserInvited {
			t.Errorf("%s: added %q", what, s)
		}
		if what == "columns of an export" && !slices.Equal(got.Ignored, []string{"state", "staff", "devices", "added_at"}) {
			t.Errorf("left out: %q", got.Ignored)
		}
		w = newWorld(t)
	}
}

// A value that cannot be what its column says is a fault with line and column,
// all of a file at once.
func TestImportFaultsNameLineAndColumn(t *testing.T) {
	w := newWorld(t)
	if err := w.AddUser(t.Context(), console, &idp.User{Name: "taken", DisplayName: "T", Email: "Jürgen@Krankenhaus-Köln.de"}); err != nil {
		t.Fatal(err)
	}
	x := func(n int) string { return strings.Repeat("x", n) }
	for file, want := range map[string]string{
		// Two people, or somebody who is there.
		"username,email\na,x@y.example\nb,X@Y.Example\n":                                     "3 email import.email.twice",
		"username,email\na,mu\u0308ller@y.example\nb,MÜLLER@y.example\nc,müller@Y.EXAMPLE\n": "3 email import.email.twice; 4 email import.email.twice",
		"username,email\na,a@köln.de\nb,A@xn--kln-sna.de\n":                                  "3 email import.email.twice",
		"username,email\na,JÜRGEN@krankenhaus-köln.de\n":                                     "2 email import.email.taken",
		"username,email\nTAKEN,jürgen@KRANKENHAUS-KÖLN.DE\n":                                 "2 taken; 2 email import.email.taken",
		"username\na\nA\n a \n":                                                              "3 username import.twice; 4 username import.twice",
		"username\nanna\n\u212aim\nkim\n":                                                    "4 username import.twice", // KELVIN SIGN is a K
		"username,phone\na,x1\na,12\n":                                                       "2 phone user.phone.bad; 3 username import.twice",
		"username\ntaken\n":                                                                  "2 taken",
		// Mail addresses.
		"username,email\na,nomail\nb,b@c@d\nc,\"a@x.example, b@x.example\"\nd,D <d@x.example>\ne,e@x..example\nf,f@192.0.2.1\ng,g@xn--a.example\nh,h@\u200b.example\ni,i\x00@x.example\n": "2 email user.email.bad; 3 email user.email.bad; 4 email user.email.bad; " +
			"5 email user.email.bad; 6 email user.email.bad; 7 email user.email.bad; 8 email user.email.bad; 9 email user.email.bad; 10 email user.email.bad",
		// Others.
		"username,locale,phone\na,german,12\nb,de_DE,+32 2 477 41 11\nc,de-CH,call me\nd,nl-BE,0475/12.34.56 ext. 12\ne,,()\nf,zz-zzzzzzzzz,+\ng,en,+32;ext=\nh,fr,1111111111111111111111111111\n": "2 locale user.locale.bad; 3 locale user.locale.bad; " +
			"4 phone user.phone.bad; 6 phone user.phone.bad; 7 phone user.phone.bad; 7 locale user.locale.bad; 8 phone user.phone.bad; 9 phone user.phone.bad",
		"username,name,given_name,family_name\na,\u200b,\u3164,\u00ad\nb,B\x00,B\x1b[2J,B\u202eB\n":                                                 "2 name text.invisible; 2 given_name text.invisible; 2 family_name text.invisible; 3 name text.invalid; 3 given_name text.invalid; 3 family_name text.invalid",
		"username,roles,groups\na,\u200b,\u2800|\nb," + x(65) + "," + strings.Repeat("g", 65) + "\nc," + numbered(100) + "," + numbered(101) + "\n": "2 roles text.invisible; 2 groups text.invisible; 3 roles text.long; 3 groups text.long; 4 groups text.long",
		"username\nÄnne\na b\n" + x(65) + "\n'anna\n":                                                                                               "2 username user.name.letters; 3 username user.name.letters; 4 username user.name.bad; 5 username user.name.letters",
		"name\tusername\nA\t\n":                                  "2 username user.name.bad",
		"username;name\n\xe4nne;\xc4nne\nbert;B\xf6rt\ncarl;C\n": "2 username import.encoding; 2 name import.encoding; 3 name import.encoding",
		"username,email,phone\nA b,nomail,none\n":                "2 username user.name.letters; 2 email user.email.bad; 2 phone user.phone.bad",
		// Rows.
		"username;name\na;A;x\nb\nc;C;;\n":                              "2 line import.cells; 3 line import.cells",
		"username;;name\na;x;A\n":                                       "2 line import.cells",
		"username,name\na,\"A\" B\nb,B \"B\"\nc,\"C\nd,D\n":             "2 name import.quotes; 3 name import.quotes; 4 name import.quotes",
		"username,name\na,\"A\nB\"\nb,\"B\"\"\nc,C\nd,\"D\"\"\"\n":      "2 name text.invalid; 4 name import.quotes", // «B"», a line more and «D"» stand between two marks
		"username,name\n" + strings.Repeat("\"b\n", 150):                strings.TrimSuffix(repeated(150, "%d username import.quotes; "), "; "),
		"username,name\na," + x(70_000) + "\nb,B\n":                     "2 line import.row.long",
		"username,name\na,A" + strings.Repeat(",x", 300) + "\nb,B\n":    "2 line import.row.long",
		"username,name\na,\"" + strings.Repeat("\"\"", 20_000) + "\"\n": "2 name text.long",
		// All of it.
		"":                                   "file import.empty",
		"\n\n;;\n":                           "file import.empty",
		"sep=;\n":                            "file import.empty",
		"sep=|\nusername|name\n":             "file import.separator",
		"sep=\nusername\n":                   "file import.separator",
		"\xff\xfeu\x00s\x00e\x00r\x00\n\x00": "file import.utf16",
		"\xfe\xff\x00u\x00s\x00e\x00r":       "file import.utf16",
		"u\x00s\x00e\x00r\x00\n\x00":         "file import.utf16",
		"PK\x03\x04\x14\x00":                 "file import.workbook",
		"username,n\xe4me\nx,y\n":            "file import.encoding",
		"username,\"name\nx,y\n":             "heading import.quotes",
		"name\nx\n":                          "heading import.username",
		"username,shoe\nx,y\n":               "import.column: shoe",
		"username;E-Mail;Vorname;grops;Telefon;added\n":    "import.column: E-Mail (email?), Vorname (given_name?), grops (groups?), Telefon (phone?), added",
		"username,email,Email,name,NAME\n":                 "import.column.twice: email, name",
		"username," + strings.Repeat("c,", 10_000) + "c\n": "file import.columns.many",
		"username" + strings.Repeat("x", 70_000):           "file import.columns.many",
	} {
		got, err := w.try(file)
		if s := said(t, got, err); s != want {
			t.Errorf("%.100q:\n got %.600s\nwant %.600s", file, s, want)
		}
	}
}

func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "g%d ", i)
	}
	return b.String()
}

func repeated(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i+2)
	}
	return b.String()
}

// However many faults there are, so many are named, and all are counted.
func TestImportFaultsAreBounded(t *testing.T) {
	w := newWorld(t)
	got, err := w.try("username,email,phone\n" + strings.Repeat("A b,x,y\n", 5000) + "good,,\n")
	if err != nil || got.People != 1 || got.Faulty != 5000 || len(got.Faults) != admin.MaxImportFaults || !got.More {
		t.Errorf("%d good, %d faulty, %d named, more: %v; %v", got.People, got.Faulty, len(got.Faults), got.More, err)
	}
}

// What was exported, for a program or for any spreadsheet, can be read back as it was.
func TestExportsCanBeReadBack(t *testing.T) {
	w := newWorld(t)
	var people []idp.User
	for i, name := range []string{
		"Anna Maes", `O'Brien "Obi" Quotes`, `\back\slash\`, "=HYPERLINK(\"http://x\")", "+32 2 477", "-1+1", "@SUM(A1)", "'=quoted", "''+twice", "'s-Hertogenbosch", "'", "＝1＋1",
		"Comma, Semi; Colon: Bar|", "Ürsula Öz-Şahin", "李小龍", "  trimmed  ", "a  b", "\u00a0x", "http://evil.example", "sep=;", "#N/A", "0032", "1E5", "TRUE", "2026-01-02", "👩‍⚕️ Dr", "é", "e\u0301",
	} {
		people = append(people, idp.User{
			Name: fmt.Sprintf("%cp%d", "-+@._ax"[i%7], i), DisplayName: name, GivenName: name, FamilyName: strings.TrimSpace(name), Email: fmt.Sprintf("p%d@krankenhaus-köln.de", i), EmailVerified: true,
			Phone: "+32 (0)2 477/41.11", PhoneVerified: true, Locale: "nl-BE", Roles: []string{"reader", "=chief"}, Groups: [][]string{nil, {"ct"}, {"ct", "mr"}, {"tumour board"}, {"a|b", `KLINIK\CT users`}, {"a|b"}, {`x\`, "a b"}, {"Röntgen", "Nuklear\u00a0Medizin"}, {"'x", "=y", "-"}}[i%9],
		})
	}
	for i := range people {
		u := people[i]
		if err := w.AddUser(t.Context(), console, &u); err != nil {
			t.Fatalf("%q: %v", u.DisplayName, err)
		}
	}
	read := func(w *world) map[string]idp.User {
		t.Helper()
		got, err := w.Users(t.Context(), console, "", admin.MaxPage)
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]idp.User{}
		for i := range got {
			u := got[i].User
			u.ID, u.CreatedAt, u.UpdatedAt = "", time.Time{}, time.Time{}
			all[u.Name] = u
		}
		return all
	}
	was := read(w)
	for _, format := range []admin.ExportFormat{admin.ExportCSV, admin.ExportSheet, admin.ExportSheetSemicolon} {
		var file bytes.Buffer
		if err := w.UsersCSV(t.Context(), console, idp.UserQuery{}, format, &file); err != nil {
			t.Fatal(err)
		}
		other := newWorld(t)
		got, err := other.ImportUsers(t.Context(), console, bytes.NewReader(file.Bytes()), admin.ImportHow{}, nil)
		if err != nil || got.Added != len(people) {
			t.Fatalf("%s: %s\n%s", format, said(t, got, err), file.String())
		}
		is := read(other)
		for name, u := range was {
			if fmt.Sprintf("%+v", is[name]) != fmt.Sprintf("%+v", u) {
				t.Errorf("%s:\n was %+v\n is  %+v", format, u, is[name])
			}
		}
		var again bytes.Buffer
		if err := other.UsersCSV(t.Context(), console, idp.UserQuery{}, format, &again); err != nil || strings.Count(again.String(), "\n") != strings.Count(file.String(), "\n") {
			t.Errorf("%s: exported anew: %v", format, err)
		}
	}
}

// A file for spreadsheets is known as UTF-8, has the separator of the reader's
// country, and comes apart in the same cells with any other.
func TestSheetsOpenByADoubleClick(t *testing.T) {
	w := newWorld(t)
	u := idp.User{Name: "anna", DisplayName: "Änne; Maes, \"A\"", Groups: []string{"a;b", "c,d"}}
	if err := w.AddUser(t.Context(), console, &u); err != nil {
		t.Fatal(err)
	}
	for lang, comma := range map[string]rune{"en": ',', "en-GB": ',', "nl": ';', "fr": ';', "de": ';', "de-CH": ';'} {
		for what, write := range map[string]func(format admin.ExportFormat, to io.Writer) error{
			"people": func(f admin.ExportFormat, to io.Writer) error {
				return w.UsersCSV(t.Context(), console, idp.UserQuery{}, f, to)
			},
			"devices": func(f admin.ExportFormat, to io.Writer) error {
				return w.DevicesCSV(t.Context(), console, idp.DeviceQuery{}, f, to)
			},
			"audit": func(f admin.ExportFormat, to io.Writer) error {
				return w.ExportEvents(t.Context(), console, idp.EventQuery{}, f, to)
			},
		} {
			var b bytes.Buffer
			if err := write(admin.SheetFor(lang), &b); err != nil {
				t.Fatal(err)
			}
			text, marked := strings.CutPrefix(b.String(), "\ufeff")
			first, _, _ := strings.Cut(text, "\r\n")
			if !marked || !strings.ContainsRune(first, comma) || strings.ContainsAny(strings.ReplaceAll(first, string(comma), ""), ";,\t") {
				t.Errorf("%s in %s begins %q", what, lang, first)
			}
			r := csv.NewReader(strings.NewReader(text))
			r.Comma = comma
			rows, err := r.ReadAll()
			if err != nil || what == "people" && (len(rows) != 2 || rows[1][1] != u.DisplayName || rows[1][8] != "a;b c,d") {
				t.Errorf("%s in %s: %q, %v", what, lang, rows, err)
			}
			// Programs get it plain.
			b.Reset()
			if err := write(admin.ExportCSV, &b); err != nil || strings.HasPrefix(b.String(), "\ufeff") || !strings.Contains(b.String(), ",") {
				t.Errorf("%s for programs: %q, %v", what, b.String(), err)
			}
		}
	}
}

// peak is the most heap that fn has in use, in bytes, measured while it runs and
// beyond what was in use before.
func peak(fn func()) uint64 {
	defer debug.SetGCPercent(debug.SetGCPercent(20)) // what is garbage does not count
	in := func() uint64 {
		s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	runtime.GC()
	before, most := in(), uint64(0)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { // ends with fn
		defer close(stopped)
		for {
			most = max(most, in())
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	fn()
	close(stop)
	<-stopped
	if most < before {
		return 0
	}
	return most - before
}

// What an import costs, whatever is in the file: the largest that is taken, and the
// most hostile that are, taken or not.
func TestImportMemory(t *testing.T) {
	const most = 200 << 20
	w := newWorld(t)
	full := func(line func(i int) string) string {
		var b strings.Builder
		b.WriteString("username,name,email,roles,groups\n")
		for i := range admin.MaxImport {
			s := line(i)
			if b.Len()+len(s) > admin.MaxImportBytes {
				break
			}
			b.WriteString(s)
		}
		return b.String()
	}
	letters := func(n, from int) string {
		var b strings.Builder
		for i := range n {
			if from+i < 26 {
				fmt.Fprintf(&b, "%c ", 'a'+from+i)
			} else {
				fmt.Fprintf(&b, "%c%c ", 'a'+(from+i)/26-1, 'a'+(from+i)%26)
			}
		}
		return b.String()
	}
	const size = 19 << 20
	type file struct {
		what, text string
		add        bool // and not only tried
	}
	files := []file{
		{"50,000 people, as large as may be", full(func(i int) string {
			return fmt.Sprintf("u%05d,Anna Maria %s %d,anna.maria.%d@krankenhaus.example,reader chief,%s\n", i, strings.Repeat("n", 55), i, i, "radiology "+strings.Repeat("tumour-board-", 4)+"x "+strings.Repeat("g", 60)+" "+strings.Repeat("h", 60)+" "+strings.Repeat("i", 60)+" ct mr")
		}), false},
		{"50,000 people with the most roles and groups", full(func(i int) string {
			return fmt.Sprintf("%d,,,%s,%s\n", i, letters(80, 0), letters(70, 7))
		}), true},
		{"50,000 people, all faulty in each column", full(func(i int) string { return fmt.Sprintf("A %d,\u200b,x,\u200b,\u200b\n", i) }), false},
		{"commas", strings.Repeat(",", size), false},
		{"semicolons", strings.Repeat(";", size), false},
		{"tabs", strings.Repeat("\t", size), false},
		{"commas in a row", "username\n" + strings.Repeat(",", size), false},
		{"commas, and something behind", "username,name\n" + strings.Repeat(",", size) + "x\n", false},
		{"cells of one letter", "username,name\n" + strings.Repeat("x,", size/2) + "\n", false},
		{"a quotation mark that is never closed", "username,name\n\"" + strings.Repeat("x", size), false},
		{"the same in lines", "username,name\n\"" + strings.Repeat("x\n", 9<<20), false},
		{"a quotation mark in every line", "username,name\n" + strings.Repeat("\"x\n", 40_000), false},
		{"quotation marks", "username,name\n" + strings.Repeat("\"", size), false},
		{"a line without separators", "username,name\n" + strings.Repeat("x", size), false},
		{"a heading of 10,000 columns", "username," + strings.Repeat("c,", 10_000) + "\n" + strings.Repeat("x\n", 1000), false},
		{"a heading of millions", strings.Repeat("c,", size/2), false},
		{"millions of blank lines", "username\n" + strings.Repeat("\n", size), false},
		{"NULs", "username,name\n" + strings.Repeat("\x00", size), false},
		{"NULs in lines", "username,name\n" + strings.Repeat("\x00,\x00\n", size/8), false},
		{"UTF-16", "\xff\xfe" + strings.Repeat("u\x00", size/2), false},
		{"groups", "username,groups\nx," + strings.Repeat("g ", size/2), false},
		{"bars", "username,groups\n" + strings.Repeat("x,"+strings.Repeat("|", 60_000)+"\n", 300), false},
		{"groups in rows that may be", "username,groups\n" + strings.Repeat("x,"+strings.Repeat("g ", 30_000)+"\n", 300), false},
		{"lines of a letter", "username\n" + strings.Repeat("x\n", size/2), false},
	}
	for i := range files {
		f := &files[i]
		if len(f.text) > admin.MaxImportBytes+1 {
			t.Fatalf("%s: %d bytes are refused unread", f.what, len(f.text))
		}
		var got *admin.Import
		var err error
		begun := time.Now()
		used := peak(func() {
			got, err = w.ImportUsers(t.Context(), console, strings.NewReader(f.text), admin.ImportHow{Dry: !f.add}, nil)
		})
		took := time.Since(begun)
		if err != nil && !errors.Is(err, idp.ErrInvalid) {
			t.Fatalf("%s: %v", f.what, err)
		}
		verdict := "refused"
		if err == nil {
			verdict = fmt.Sprintf("%d good, %d faulty, %d added", got.People, got.Faulty, got.Added)
		}
		t.Logf("%-48s %5.1f MiB: %6.1f MiB, %5d ms, %s", f.what, float64(len(f.text))/(1<<20), float64(used)/(1<<20), took.Milliseconds(), verdict)
		if used > most {
			t.Errorf("%s: %d MiB of memory", f.what, used>>20)
		}
		f.text = ""
	}
}

// FuzzRows: what encoding/csv reads, an import reads alike.
func FuzzRows(f *testing.F) {
	for _, s := range []string{"anna,Anna\n", "anna,\"A, \"\"B\"\"\"\r\n", "anna,\"A\nB\"\nbert,B\n", "\"anna\",x\n\n\"bert\",\"y\"\n", "a,\"\"\"\"\n", ",\"\"\"\"\n"} {
		f.Add(s)
	}
	w := &world{}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(strings.ReplaceAll(text, "\r\n", ""), "\r") || strings.Contains(text, "\ufeff") {
			return // line ends that the other does not know
		}
		r := csv.NewReader(strings.NewReader("username,name\n" + text))
		rows, err := r.ReadAll()
		if err != nil {
			return
		}
		if w.T == nil || w.T != t {
			w = newWorld(t)
		}
		got, err := w.ImportUsers(context.Background(), console, strings.NewReader("username,name\n"+text), admin.ImportHow{Dry: true}, nil)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, row := range rows[1:] {
			if strings.TrimSpace(strings.Join(row, "")) != "" {
				n++
			}
		}
		if got.People+got.Faulty != n {
			t.Fatalf("%q has %d rows, %d were read: %+v", text, n, got.People+got.Faulty, got)
		}
	})
}

package idp_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"hilum/idp"
)

func TestFoldName(t *testing.T) {
	for typed, want := range map[string]string{
		"anna": "anna", "Anna": "anna", "  ANNA.Maes@Ward-3 \t\n": "anna.maes@ward-3", "": "", " ": "", "ÄNNE": "änne", "an na": "an na",
	} {
		if got := idp.FoldName(typed); got != want {
			t.Errorf("%q folds to %q, want %q", typed, got, want)
		}
		if once := idp.FoldName(typed); idp.FoldName(once) != once {
			t.Errorf("%q folds further when folded twice", typed)
		}
	}
}

func TestUserValidate(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct {
		why    string
		change func(*idp.User)
		field  string // "" when it is good
		says   string
	}{
		{"as it should be", func(*idp.User) {}, "", ""},
		{"every letter a name may have", func(u *idp.User) { u.Name = "az09._-@+" }, "", ""},
		{"no name", func(u *idp.User) { u.Name = "" }, "username", "user.name.bad"},
		{"a name of 64 bytes", func(u *idp.User) { u.Name = x(idp.MaxName) }, "", ""},
		{"a name of 65 bytes", func(u *idp.User) { u.Name = x(idp.MaxName + 1) }, "username", "user.name.bad"},
		{"a name that is not folded", func(u *idp.User) { u.Name = "Anna" }, "username", "user.name.bad"},
		{"a name with a space around", func(u *idp.User) { u.Name = "anna " }, "username", "user.name.bad"},
		{"a name with a space inside", func(u *idp.User) { u.Name = "an na" }, "username", "user.name.letters"},
		{"a name with a look-alike letter", func(u *idp.User) { u.Name = "аnna" }, "username", "user.name.letters"},
		{"a name with a path", func(u *idp.User) { u.Name = "a/b" }, "username", "user.name.letters"},
		{"a name with broken UTF-8", func(u *idp.User) { u.Name = "a\xffb" }, "username", "user.name.bad"},
		{"no display name", func(u *idp.User) { u.DisplayName = "" }, "name", "text.missing"},
		{"a display name of spaces", func(u *idp.User) { u.DisplayName = "   " }, "name", "text.missing"},
		{"a display name of 80 runes", func(u *idp.User) { u.DisplayName = strings.Repeat("ä", idp.MaxDisplayName) }, "", ""},
		{"a display name of 81 runes", func(u *idp.User) { u.DisplayName = strings.Repeat("ä", idp.MaxDisplayName+1) }, "name", "text.long"},
		{"no email", func(u *idp.User) { u.Email = "" }, "", ""},
		{"an email without an at", func(u *idp.User) { u.Email = "anna" }, "email", "user.email.bad"},
		{"an email with nobody", func(u *idp.User) { u.Email = "@x" }, "email", "user.email.bad"},
		{"an email that leads nowhere", func(u *idp.User) { u.Email = "anna@" }, "email", "user.email.bad"},
		{"an email with a second line", func(u *idp.User) { u.Email = "a@b\r\nBcc: c@d" }, "email", "user.email.bad"},
		{"an email with a display name", func(u *idp.User) { u.Email = "Anna <a@b>" }, "email", "user.email.bad"},
		{"an email of 254 bytes", func(u *idp.User) { u.Email = x(62) + "@" + strings.Repeat(x(62)+".", 3) + "bb" }, "", ""},
		{"an email of 255 bytes", func(u *idp.User) { u.Email = x(63) + "@" + strings.Repeat(x(62)+".", 3) + "bb" }, "email", "user.email.bad"},
		{"an email with two ats", func(u *idp.User) { u.Email = "a@b@c" }, "email", "user.email.bad"},
		{"two emails", func(u *idp.User) { u.Email = "a@x.example,b@y.example" }, "email", "user.email.bad"},
		{"an administrator", func(u *idp.User) { u.Staff = idp.StaffAdmin }, "", ""},
		{"the helpdesk", func(u *idp.User) { u.Staff = idp.StaffHelpdesk }, "", ""},
		{"an auditor", func(u *idp.User) { u.Staff = idp.StaffAuditor }, "", ""},
		{"a role that does not exist", func(u *idp.User) { u.Staff = "root" }, "staff", "user.staff.bad"},
	} {
		u := &idp.User{Name: "anna", DisplayName: "Anna Maes", Email: "anna@example.org"}
		c.change(u)
		checkField(t, c.why, u.Validate(), c.field, c.says)
	}
}

// checkField expects a FieldError of a field, or nil where field is empty.
func checkField(t *testing.T, why string, err error, field, says string) {
	t.Helper()
	if field == "" {
		if err != nil {
			t.Errorf("%s: %v", why, err)
		}
		return
	}
	var f *idp.FieldError
	if !errors.As(err, &f) || f.Field != field || f.Message != says || !errors.Is(err, idp.ErrInvalid) {
		t.Errorf("%s: %v, want %s: %s", why, err, field, says)
	}
}

func TestValidText(t *testing.T) {
	for _, c := range []struct {
		why, s   string
		min, max int
		says     string
	}{
		{"plain", "Pixel 8", 1, 40, ""},
		{"other scripts", "电话 ☎ ä", 1, 40, ""},
		{"joined emoji", "👩‍⚕️", 1, 40, ""},
		{"right-to-left letters are letters", "هاتف", 1, 40, ""},
		{"empty where it may be", "", 0, 5, ""},
		{"empty", "", 1, 5, "text.missing"},
		{"nothing but spaces", " \u00a0\u2003", 1, 5, "text.missing"},
		{"spaces where nothing is needed", "  ", 0, 5, ""},
		{"too few", "ab", 3, 5, "text.missing"},
		{"just enough", "abc", 3, 5, ""},
		{"as many runes as may be", "äöüäö", 1, 5, ""},
		{"one too many", "äöüäöü", 1, 5, "text.long"},
		{"broken UTF-8", "a\xff", 1, 5, "text.invalid"},
		{"a surrogate half", "\xed\xa0\x80", 0, 5, "text.invalid"},
		{"a line break", "a\nb", 1, 5, "text.invalid"},
		{"a null", "a\x00", 1, 5, "text.invalid"},
		{"an escape", "\x1b[2J", 1, 5, "text.invalid"},
		{"a C1 control", "a\u0085b", 1, 5, "text.invalid"},
		{"a line separator", "a\u2028b", 1, 5, "text.invalid"},
		{"a paragraph separator", "a\u2029b", 1, 5, "text.invalid"},
		{"a bidirectional override", "a\u202eb", 1, 5, "text.invalid"},
		{"a bidirectional isolate", "a\u2066b", 1, 5, "text.invalid"},
		{"a direction mark", "a\u200fb", 1, 5, "text.invalid"},
		{"nothing to see where nothing is needed", "\u200b", 0, 5, "text.invisible"},
		{"a dot", ".", 1, 5, ""},
		{"a letter between joiners", "\u200da\u200d", 1, 5, ""},
	} {
		field := ""
		if c.says != "" {
			field = "f"
		}
		checkField(t, c.why, idp.ValidText("f", c.s, c.min, c.max), field, c.says)
	}
}

// A name has something to see. Each of these alone, several of them, and each
// between spaces show nothing.
func TestNamesHaveSomethingToSee(t *testing.T) {
	nothing := []rune{
		0x200b, 0x200c, 0x200d, 0x2060, 0x2061, 0x2062, 0x2063, 0x2064, 0xfeff, 0x00ad, 0x034f, 0x061c, 0x180e, // format characters
		0x3164, 0x115f, 0x1160, 0xffa0, // fillers that Unicode calls letters
		0x17b4, 0x17b5, 0x180b, 0x180c, 0x180d, 0x180f, 0xfe00, 0xfe0f, 0xe0100, 0xe01ef, // vowels that are not written, variation selectors
		0x2800, 0x1d159, 0x13441, 0x13442, // signs that are empty
		0xe0001, 0xe0020, 0xe0061, 0xe007f, // tags
		0x1d173, 0x1d17a, 0x1bca0, 0xfff9, 0xfffb, 0x2065, 0xfff0, 0xe0fff, // beams, shorthand, annotations, reserved
		0x0301, 0x0308, 0x20dd, 0x0903, 0x3099, 0xfe20, // marks without a letter
		0xa0, 0x1680, 0x2000, 0x2003, 0x2007, 0x200a, 0x202f, 0x205f, 0x3000, ' ', // spaces
		0xe000, 0xf8ff, 0x0378, 0xffff, 0x10ffff, // of private use, or none
	}
	var all []rune
	for _, r := range nothing {
		for _, s := range []string{string(r), " " + string(r) + " ", string(r) + "\u200b" + string(r)} {
			err := idp.ValidText("f", s, 1, 1000)
			if f := (*idp.FieldError)(nil); !errors.As(err, &f) {
				t.Errorf("%+q was taken as a name", s)
			}
		}
		if !unicode.Is(unicode.Bidi_Control, r) {
			all = append(all, r)
		}
	}
	checkField(t, "all of them", idp.ValidText("f", string(all), 1, 1000), "f", "text.invisible")
	checkField(t, "all of them, with a letter", idp.ValidText("f", string(all)+"ä", 1, 1000), "", "")
	for _, s := range []string{"ä", "a\u0308", "中", "٣", "☎", "👩‍⚕️", "ㅎ", "-", "₀", "ﾞ", "ق"} {
		checkField(t, s, idp.ValidText("f", s, 1, 40), "", "")
	}
}

// What is accepted can be shown to a person and stored, and fits.
func FuzzValidText(f *testing.F) {
	for _, s := range []string{"", "Pixel 8", " ", "a\nb", "\xff", "\u202ex", "👩‍⚕️", strings.Repeat("ä", 41), "\u2028"} {
		f.Add(s, 1, 40)
	}
	f.Fuzz(func(t *testing.T, s string, least, most int) {
		err := idp.ValidText("f", s, least, most)
		if err != nil {
			if !errors.Is(err, idp.ErrInvalid) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		n := utf8.RuneCountInString(s)
		if !utf8.ValidString(s) || n < least || n > most {
			t.Fatalf("%q of %d runes was accepted for %d to %d", s, n, least, most)
		}
		if least > 0 && strings.TrimSpace(s) == "" {
			t.Fatalf("%q was accepted as something", s)
		}
		if strings.TrimSpace(s) != "" && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) && !unicode.IsMark(r) }) {
			t.Fatalf("%+q was accepted, and shows nothing", s)
		}
		for _, r := range s {
			if unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
				t.Fatalf("%q was accepted with %U", s, r)
			}
		}
	})
}

func TestMayAdminister(t *testing.T) {
	for _, c := range []struct {
		why   string
		state idp.UserState
		staff idp.StaffRole
		asked []idp.StaffRole
		want  bool
	}{
		{"an administrator where one is asked for", idp.UserActive, idp.StaffAdmin, []idp.StaffRole{idp.StaffAdmin}, true},
		{"one of several", idp.UserActive, idp.StaffHelpdesk, []idp.StaffRole{idp.StaffAdmin, idp.StaffHelpdesk}, true},
		{"another role", idp.UserActive, idp.StaffAuditor, []idp.StaffRole{idp.StaffAdmin, idp.StaffHelpdesk}, false},
		{"a disabled administrator", idp.UserDisabled, idp.StaffAdmin, []idp.StaffRole{idp.StaffAdmin}, false},
		{"an invited administrator", idp.UserInvited, idp.StaffAdmin, []idp.StaffRole{idp.StaffAdmin}, false},
		{"nobody, where no role is named", idp.UserActive, idp.StaffNone, []idp.StaffRole{idp.StaffNone}, false},
		{"no role asked for", idp.UserActive, idp.StaffAdmin, nil, false},
	} {
		u := &idp.User{State: c.state, Staff: c.staff}
		if got := u.MayAdminister(c.asked...); got != c.want {
			t.Errorf("%s: %v", c.why, got)
		}
	}
}

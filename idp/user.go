package idp

import (
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// UserState is where an account stands.
type UserState string

const (
	UserInvited  UserState = "invited" // made, never signed in: no password or no device yet
	UserActive   UserState = "active"
	UserDisabled UserState = "disabled"
)

// StaffRole is what a person may do in the administration; most have none.
type StaffRole string

const (
	StaffNone     StaffRole = ""
	StaffAdmin    StaffRole = "admin"
	StaffHelpdesk StaffRole = "helpdesk"
	StaffAuditor  StaffRole = "auditor"
)

// StaffRoles are the roles that the administration is there for.
var StaffRoles = []StaffRole{StaffAdmin, StaffHelpdesk, StaffAuditor}

// User is a person with an account.
type User struct {
	ID            UserID
	Name          string // sign-in name, folded by FoldName, unique
	DisplayName   string
	GivenName     string
	FamilyName    string
	Email         string
	EmailVerified bool
	Phone         string
	PhoneVerified bool
	Locale        string // BCP 47, or empty
	Staff         StaffRole
	Roles         []string // for applications
	Groups        []string // for applications
	State         UserState
	CreatedAt     time.Time
	UpdatedAt     time.Time

	// Confirmed is not kept. Whoever gives a role in the administration says by
	// it that these are the devices linked now, and that they are the person's:
	// they answer for the role from then on, and whoever was helped before may
	// have a phone that is not theirs.
	Confirmed []DeviceID `json:"-"`

	Journal `json:"-"`
}

// Bounds of what is typed about a person.
const (
	MaxName        = 64  // bytes
	MaxDisplayName = 80  // runes
	MaxEmail       = 254 // bytes
)

// FoldName gives a typed sign-in name the form it is stored and compared in.
func FoldName(typed string) string { return strings.ToLower(strings.TrimSpace(typed)) }

// Validate checks the bounds of an account. Errors: FieldError, the first of Faults.
func (u *User) Validate() error {
	if faults := u.Faults(); len(faults) > 0 {
		return faults[0]
	}
	return nil
}

// Faults are all that is wrong with an account, one for each field.
func (u *User) Faults() (faults []*FieldError) {
	switch {
	case u.Name == "" || len(u.Name) > MaxName || u.Name != FoldName(u.Name):
		faults = append(faults, &FieldError{"username", "user.name.bad"})
	case strings.ContainsFunc(u.Name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("._-@+", r))
	}):
		faults = append(faults, &FieldError{"username", "user.name.letters"})
	}
	if bad, ok := errors.AsType[*FieldError](ValidText("name", u.DisplayName, 1, MaxDisplayName)); ok {
		faults = append(faults, bad)
	}
	if u.Email != "" && !ValidMail(u.Email) {
		faults = append(faults, &FieldError{"email", "user.email.bad"})
	}
	switch u.Staff {
	case StaffNone, StaffAdmin, StaffHelpdesk, StaffAuditor:
	default:
		faults = append(faults, &FieldError{"staff", "user.staff.bad"})
	}
	return faults
}

// ValidText checks a short text that is shown to people: bounds in runes,
// valid UTF-8, no control characters, no bidirectional overrides that could
// make one name read as another, and something to see: a name of letters that
// show nothing looks like no name, or like everybody's. Errors: FieldError.
func ValidText(field, s string, minRunes, maxRunes int) error {
	n := utf8.RuneCountInString(s)
	blank := strings.TrimSpace(s) == ""
	switch {
	case !utf8.ValidString(s):
		return &FieldError{field, "text.invalid"}
	case n < minRunes || minRunes > 0 && blank:
		return &FieldError{field, "text.missing"}
	case n > maxRunes:
		return &FieldError{field, "text.long"}
	}
	if strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
	}) {
		return &FieldError{field, "text.invalid"}
	}
	if !blank && !strings.ContainsFunc(s, visible) {
		return &FieldError{field, "text.invisible"}
	}
	return nil
}

// empty are letters and signs that are drawn as nothing, beside those that Unicode
// calls ignorable.
var empty = &unicode.RangeTable{
	R16: []unicode.Range16{{Lo: 0x2800, Hi: 0x2800, Stride: 1}}, // BRAILLE PATTERN BLANK
	R32: []unicode.Range32{
		{Lo: 0x13441, Hi: 0x13442, Stride: 1}, // EGYPTIAN HIEROGLYPH FULL BLANK, HALF BLANK
		{Lo: 0x1d159, Hi: 0x1d159, Stride: 1}, // MUSICAL SYMBOL NULL NOTEHEAD
	},
}

// visible reports whether a rune alone shows something to everybody: letters,
// digits and signs do; spaces, marks without a letter, format characters, and
// what has no meaning in Unicode do not (The Unicode Standard, section 5.21).
func visible(r rune) bool {
	return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) &&
		!unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, empty)
}

// MayAdminister reports whether the person has one of the staff roles given.
func (u *User) MayAdminister(roles ...StaffRole) bool {
	return u.State == UserActive && u.Staff != StaffNone && slices.Contains(roles, u.Staff)
}

// Account is what a sign-in needs to know of a person, read in one go.
type Account struct {
	User         User
	PasswordHash string    // PHC string; empty when none was chosen yet
	PasswordAt   time.Time // when it was chosen; a hash of higher cost leaves it as it is
	Devices      int       // active ones
	Apps         int       // of them, those that can be asked
	RecoveryLeft int       // unused recovery codes
}

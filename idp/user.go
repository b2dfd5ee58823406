package idp

import (
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
	MaxName        = 64
	MaxDisplayName = 80
	MaxEmail       = 254
)

// FoldName gives a typed sign-in name the form it is stored and compared in.
func FoldName(typed string) string { return strings.ToLower(strings.TrimSpace(typed)) }

// Validate checks the bounds of an account. Errors: FieldError.
func (u *User) Validate() error {
	if u.Name == "" || len(u.Name) > MaxName || u.Name != FoldName(u.Name) {
		return &FieldError{"username", "user.name.bad"}
	}
	for _, r := range u.Name {
		ok := r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("._-@+", r)
		if !ok {
			return &FieldError{"username", "user.name.letters"}
		}
	}
	if err := ValidText("name", u.DisplayName, 1, MaxDisplayName); err != nil {
		return err
	}
	if u.Email != "" {
		at := strings.LastIndexByte(u.Email, '@')
		if at < 1 || at == len(u.Email)-1 || len(u.Email) > MaxEmail || strings.ContainsAny(u.Email, " \t\r\n<>\"") {
			return &FieldError{"email", "user.email.bad"}
		}
	}
	switch u.Staff {
	case StaffNone, StaffAdmin, StaffHelpdesk, StaffAuditor:
	default:
		return &FieldError{"staff", "user.staff.bad"}
	}
	return nil
}

// ValidText checks a short text that is shown to people: bounds in runes,
// valid UTF-8, no control characters, no bidirectional overrides that could
// make one name read as another. Errors: FieldError.
func ValidText(field, s string, minRunes, maxRunes int) error {
	n := utf8.RuneCountInString(s)
	switch {
	case !utf8.ValidString(s):
		return &FieldError{field, "text.invalid"}
	case n < minRunes || minRunes > 0 && strings.TrimSpace(s) == "":
		return &FieldError{field, "text.missing"}
	case n > maxRunes:
		return &FieldError{field, "text.long"}
	}
	if strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
	}) {
		return &FieldError{field, "text.invalid"}
	}
	return nil
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

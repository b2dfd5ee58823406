package templates

import "time"

// Head is the heading of a column that a list can be ordered by.
type Head struct {
	Path   string // the list in that order, or from its other end
	Sorted string // "ascending", "descending"; empty: the list is ordered by another
}

// Chip is a property by which a list is narrowed.
type Chip struct {
	Path  string // the list with the property, or without it
	Label Message
	On    bool   // the list is narrowed by it
	Count *Count // how many rows it would leave; nil: not counted
	None  bool   // it would leave no row
}

// List is what every list of the administration has around it.
type List struct {
	Path     string
	Words    string  // that are searched for
	Hidden   []Field // what a search keeps: facets and order
	Chips    []Chip
	Total    Message // how many there are
	Filtered bool    // by words or facets
	Clear    string  // path of the list without words and facets
	Next     string  // path of the next page; empty: there is none
	Prev     string  // path of the page before; empty: there is none
	Range    Message // which of how many are shown; no key: all, or it is not known
	Short    bool    // not the whole list was searched: one request may read so far and no further
	CSV      string  // path of the list as a file
}

// DeskPerson is the person that a line of the administration is about.
type DeskPerson struct {
	ID    string
	Name  string // to sign in with
	Shown string // as shown to people
	Email string
	State string // "active", "invited", "disabled"
	Staff string // role in the administration: "admin", "helpdesk", "auditor"; empty: none
}

// DeskDevice is one device of anybody.
type DeskDevice struct {
	Device
	App      string    // name and version, as our app calls itself
	PushOK   time.Time // while notifications are working: when the push service last took a message
	PushSaid string    // why notifications do not arrive
	Person   DeskPerson
	Of       int  // how many devices the person has
	Unused   bool // for 90 days
}

// DeskEvent is one line of a history.
type DeskEvent struct {
	Seq   int64
	At    time.Time
	Kind  string
	What  Message // the kind in words; no key: there are none
	Good  bool    // a device was linked
	Actor string
	// ActorIs is what kind of actor that is, an idp.ActorKind; empty: not known.
	ActorIs string
	Where   // from where; no address: not known
	Reason  string
	Of      string // sign-in name of whom it concerns; empty: not known
	Person  string // their id
	About   string // name of the device or the application, or a setting and how it changed
	Client  string // id of the application; its name, where Test is true and the application is there
	Test    bool   // it is of a test sign-in to Client

	Device     string // id of the device that it is about; empty: of none
	DeviceName string // its name then, or else now; empty: not known
}

// Choice is one option of a select.
type Choice struct {
	Value string
	Label Message
}

// AdminDevices is all devices of all people.
type AdminDevices struct {
	Frame
	List
	Note                                 Message
	MayUnlink                            bool
	Max                                  int  // devices that a person may have
	Kind, Push, Linked, Used, Email, App bool // columns that are shown
	ByPerson, ByName, ByLinked, ByUsed   Head
	Rows                                 []DeskDevice

	AllFound string // path of the question whether to unlink all that was found; empty: it is not offered
	Found    int    // how many would be unlinked by it
	TooMany  int    // it is not offered, for more was found than this; zero: that is not why
}

// AdminDevice is one device and what happened with it.
type AdminDevice struct {
	Frame
	Device                         DeskDevice
	Max                            int
	Events                         []DeskEvent
	Older                          string // path of the history before; empty: that is all
	MayUnlink, MayReopen, MayBlock bool

	Gone        bool // the device is unlinked: there is its name, if the log has it
	GoneAt      time.Time
	GoneBy, Why string // who unlinked it, and the reason that was given
}

// AskLine is one thing of several that something is done to, or was.
type AskLine struct {
	Name    string
	Of      string // whose it is
	Last    bool   // it is the only one of its owner
	Refused bool   // this role may not do it
	Gone    bool   // it is not there any more
	Done    bool   // it was done
}

// Ask asks before something is done that somebody else will notice.
type Ask struct {
	Frame
	Title   Message
	Text    Message
	Whose   Message   // whose Lines are; no key: nothing
	Lines   []AskLine // what it is done to
	More    Message   // how many more there are than Lines; no key: none
	Refused Message   // how many this role may not do it to; no key: none
	Changed Message   // what has changed since it was asked before; no key: nothing
	Action  string    // path that the answer is posted to
	Field   Field     // posted with the answer; no name: nothing
	Yes     Message   // on the button
	Back    string    // path of the page before
	Danger  bool      // the button warns by its colour
	Reason  bool      // a reason is asked for
	Typed   string    // the reason, as typed
	MayLost bool      // whether it was lost or stolen is asked, too
	Lost    bool      // that was said
	Way     Way       // of the one-time link that comes of it
	Problem Message
	Wrong   string // "via": the problem is the way; else it is the reason
}

// Way asks how a one-time link gets to the person. The zero value asks nothing: the
// link is shown to the administrator.
type Way struct {
	Mail bool   // this site sends mail
	To   string // mail address of the person; empty: none is known
	Link bool   // that the link is shown was chosen
}

// AdminUnlinked says what became of several devices when not all were unlinked.
type AdminUnlinked struct {
	Frame
	Done, Left int       // how many were, and were not
	Lines      []AskLine // of many only those that were not
}

// AdminLink shows a one-time link, this once.
type AdminLink struct {
	Frame
	Person    DeskPerson
	Text      Message
	Link      string
	ExpiresAt time.Time
	Unlinked  []string // names of devices that were unlinked with it
	Next      string   // path to go on to
}

// DeskAccount is one line of the list of people.
type DeskAccount struct {
	DeskPerson
	Groups  []string
	Devices int
	AddedAt time.Time
}

// DeskSession is one session of anybody.
type DeskSession struct {
	Session
	Person DeskPerson
}

// ToldLine is an application that is told that a session has ended.
type ToldLine struct {
	App   string
	State string    // "told", "waiting", "failed"
	Said  Message   // why the last try came to nothing
	At    time.Time // of the last try; zero: not yet
}

// DeskEnded is a session that has ended.
type DeskEnded struct {
	Person  DeskPerson
	Browser Message
	Where
	At   time.Time
	Told []ToldLine
	Left []string // applications that cannot be told
}

// LogoutLine is how it goes with telling one application that sessions have ended
// (back-channel logout).
type LogoutLine struct {
	ID, App       string    // id and name of the application
	Waiting, Lost Count     // notices that wait, and that were given up
	OldestAt      time.Time // when the first session ended that it was not told of yet
	FailedAt      time.Time // the last try that came to nothing; zero: none, or it was made good
	Said          Message   // why that try failed
}

// AdminUsers is all people.
type AdminUsers struct {
	Frame
	List
	Note                      Message
	MayAdd                    bool
	Max                       int // devices that a person may have
	ByPerson, ByName, ByAdded Head
	Rows                      []DeskAccount
}

// AdminUser is one person.
type AdminUser struct {
	Frame
	Note          Message
	Person        DeskPerson
	Roles, Groups []string
	Phone, Locale string
	Events        []DeskEvent // what happened last, newest first
	AddedAt       time.Time
	Password      bool
	Devices       []Device
	Max           int       // devices that a person may have
	Recovery      int       // unused recovery codes
	Locked        []Message // what holds the person back now
	InvitedUntil  time.Time // when the open one-time link expires; zero: there is none
	Sessions      []DeskSession
	Ended         []DeskEnded
	MailedTo      string // mail address that the open link was sent to just now

	MayEdit, MayUnlink, MayEnd, MayInvite, MayReopen, MayReset, MayUnlock, MayBlock bool
}

// AdminPerson is the form of what is known of a person. A Person without ID is new.
type AdminPerson struct {
	Frame
	Person                                              DeskPerson
	GivenName, FamilyName, Phone, Locale, Roles, Groups string
	MayStaff                                            bool
	Devices                                             []Device // to be confirmed before a role in the administration is given
	Linked                                              string   // ids of Devices, as the form posts them back
	Locales                                             []Language
	Mail                                                bool // this site sends mail: an invitation can go by it
	Problem                                             Message
	Wrong                                               string // which field
}

// FaultLine is one faulty line of a file.
type FaultLine struct {
	Line    int    // the first is 1
	Name    string // sign-in name
	Column  string // of the file; empty: the whole line
	Problem Message
}

// FaultyLines is how many lines of the file are faulty.
func (a AdminImporting) FaultyLines() int {
	if a.Faulty > 0 {
		return a.Faulty
	}
	return len(a.Faults)
}

// UnmailedLine is somebody of a file who gets no invitation by mail.
type UnmailedLine struct {
	Line     int
	Name, ID string // no ID: not added yet
	Why      Message
}

// AdminImport takes a file of people.
type AdminImport struct {
	Frame
	Columns   []string // names of the columns that a file may have
	People    int      // how many a file may have
	Megabytes int      // how large a file may be
	Problem   Message
	Other     string // path of an import that is under way; empty: none is
}

// AdminImporting is an import under way, and what came of it.
type AdminImporting struct {
	Frame
	ID       string
	State    string  // while it runs "checking", "adding", "mailing", "stopping"; then "faults", "wrong", "nobody", "good", "done", "stopped", "failed", "lost"
	Word     string  // the state as the event stream tells it: the page changes with it
	Done, Of int     // lines or people, by the state
	Far      Message // Done and Of in words
	MayAdd   bool
	Text     string // of the file, when it is short enough to be mended here
	People   int    // good lines
	Added    int    // people
	Faulty   int    // faulty lines; 0: as many as Faults
	Faults   []FaultLine
	More     bool     // there are more faults than Faults
	Ignored  []string // columns of the file that are left out
	Problem  Message  // "wrong": what is wrong with the file as a whole

	Mail         bool // this site sends mail
	Mailed       int  // invitations that went by mail, or would
	Unmailed     []UnmailedLine
	MoreUnmailed int     // how many Unmailed leaves out
	Rest         Message // that mailing broke off, or that nothing is known of it any more; no key: neither
	Waits        bool    // some who were added are not invited
	Hours        int     // how long an invitation is good
	Late         bool    // "stopping": all are added, and mailing is what stops
}

// UnmailedCount is how many get no invitation by mail.
func (a AdminImporting) UnmailedCount() int { return len(a.Unmailed) + a.MoreUnmailed }

// AdminSessions is all live sessions.
type AdminSessions struct {
	Frame
	List
	Note   Message
	MayEnd bool
	Rows   []DeskSession
	Ended  []DeskEnded
}

func (AdminUsers) file() string    { return "adminusers" }
func (AdminUser) file() string     { return "adminuser" }
func (AdminPerson) file() string   { return "adminperson" }
func (AdminImport) file() string   { return "adminimport" }
func (AdminSessions) file() string { return "adminsessions" }

func (AdminImporting) file() string { return "adminimporting" }

// AdminAudit is the log, newest first.
type AdminAudit struct {
	Frame
	Kinds       []Choice
	Kind, Who   string // kind of event, and sign-in name, by which the log is narrowed
	ByActor     bool   // Who is who did it; else whom it concerns
	Address     string
	From, Until string // days, 2006-01-02
	Filtered    bool
	First       bool // it is the newest part of the log
	Events      []DeskEvent
	Next, Prev  string // paths of the parts after and before; empty: there is none
	Short       bool   // not the whole log was searched: one request may read so far and no further
	JSON, CSV   string // paths of the log as a file
	Problem     Message
	Wrong       string // which field
}

// AdminChain says whether the audit log is whole. Without State it says when it was
// checked last.
type AdminChain struct {
	Frame
	ID       string
	State    string  // "checking", "whole", "broken", "failed"
	Word     string  // the state as the event stream tells it: the page changes with it
	Done, Of int     // events
	Far      Message // Done and Of in words
	Said     string  // where it is broken
	Events   int
	Begins   int    // number of the first event that is kept; 0: all are
	Digest   string // hash of the last event, hexadecimal

	LastAt                        time.Time // of the last check; zero: there was none
	LastBy, LastFault, LastDigest string    // LastFault: what was wrong; empty: nothing
}

func (AdminAudit) file() string { return "adminaudit" }
func (AdminChain) file() string { return "adminchain" }

// DeskApp is one application.
type DeskApp struct {
	ID, Name   string
	Tile       Tile
	Public     bool // it cannot prove itself
	Secret     bool // it proves itself by a secret
	Native     bool // it is a program on people's own machines
	Program    bool // it signs nobody in
	Disabled   bool
	Deviations []Message // what of its registration is less safe than what is proposed
	Groups     []string  // whose people may sign in; none: everybody
	AddedAt    time.Time
}

// DeskSecret is what is known of one secret of an application; the secret is not.
type DeskSecret struct {
	MadeAt, UsedAt, EndsAt time.Time // UsedAt, EndsAt zero: never
	Ended                  bool
}

// AdminApps is all applications.
type AdminApps struct {
	Frame
	Note    Message
	MayEdit bool
	Rows    []DeskApp
}

// AdminApp is one application.
type AdminApp struct {
	Frame
	Note                                Message
	App                                 DeskApp
	Issuer                              string
	Redirects, Logouts, Origins, Scopes []string // Logouts: post_logout_redirect_uris
	Match                               Message
	Told                                string     // backchannel_logout_uri; empty: none
	Logout                              LogoutLine // how it goes with telling it there
	Consent, Verify, Pushed, DPoP       bool       // Pushed: it pushes its authorization requests; DPoP: its tokens are bound to a key
	CertBound                           bool       // its tokens are bound to its certificate
	TLSSubject                          string     // whom its certificate is for; empty: it proves itself in another way
	Secrets                             []DeskSecret
	Keycloak                            bool           // it is of the realm
	FAPI2, SignsMessages, Signed        bool           // it is held to FAPI 2.0, to its Message Signing; it has to sign its requests
	Pairwise                            bool           // people have a sub of their own at it
	InitiateURI                         string         // where people begin from here
	Notify                              string         // where it is told that a person has answered (CIBA); empty: nowhere
	Targets                             []string       // that it exchanges tokens for
	Keys                                []string       // ids of its public keys, or their address
	Rejected                            []RejectedLine // latest first
	MayEdit                             bool
	Says                                *AppSays // what it says of itself; nil: it did not register itself
}

// AppSays is what an application that has registered itself says of itself.
type AppSays struct {
	By                     string   // the name of the code that it was registered by; empty: it is gone
	Names, Pages, Contacts []string // Pages: addresses
	Software               string
}

// RejectedLine is one refused request of an application. What was sent is data of
// strangers.
type RejectedLine struct {
	At         time.Time
	Why        Message
	Sent       string   // what was sent; empty where that would be a secret
	Registered []string // what would have been right
	Reference  string   // finds the line in our log
	Times      int      // how often it came
}

// Need is one value that a preset asks for.
type Need struct {
	Name    string // of the field
	Label   Message
	Example string
	// Optional: it may be left empty, and is no address.
	Optional bool
	Value    string // as typed
}

// AdminNewApp lets choose a preset, and asks for what it needs.
type AdminNewApp struct {
	Frame
	Presets []Field // ids and names
	Chosen  Field   // id and name of the preset that was chosen
	Name    string  // of the application, as typed
	Needs   []Need
	Problem Message
	Wrong   string // which field
}

// AdminSecret shows an application's secret, this once, and what to paste into its
// configuration.
type AdminSecret struct {
	Frame
	App    DeskApp
	New    bool // the application is new, too
	Secret string
	Paste  []Field // names and texts of files
	Next   string  // path to go on to
}

// AlgChoice is a field that chooses the algorithm by which one kind of message is signed.
type AlgChoice struct {
	Name        string // of the field
	Label, None Message
	Alg         string // the chosen one; empty: what None says
}

// RegistrationLine is an initial access token.
type RegistrationLine struct {
	ID, Name, MadeBy        string
	Grants, Scopes, Hosts   []string
	Used, Uses              int
	MadeAt, EndsAt, UsedAt  time.Time // UsedAt zero: never
	Revoked, Spent, Expired bool      // one of them, or none: it is good
	OptionalPKCE            bool
	Blocks                  bool // there is an application by it that is not blocked
}

// AdminRegistration is the initial access tokens, by which applications register themselves,
// and the form for another.
type AdminRegistration struct {
	Frame
	Note     Message
	Off      bool   // applications cannot register themselves, by the setting
	Endpoint string // the address of the registration endpoint
	Secret   string // the token that was just made, shown this once
	MayEdit  bool
	Rows     []RegistrationLine

	Name, Scopes, Hosts, Uses, Days string // as typed
	Code, Refresh, Credentials      bool
	OptionalPKCE                    bool // PKCE is not demanded of those that prove themselves
	Problem                         Message
	Wrong                           string // which field
}

// AdminAppForm is the form of an application.
type AdminAppForm struct {
	Frame
	App                                                DeskApp
	Redirects, Logouts, Origins, Scopes, Groups, Match string
	Matches                                            []Choice
	Told                                               string // backchannel_logout_uri
	ToldSession                                        bool   // backchannel_logout_session_required
	Verify                                             bool   // approvals want a fingerprint or PIN
	Consent, OptionalPKCE, ClaimsInID, RefreshAlways   bool
	Advanced                                           bool   // the part that few applications need, in place of the rest
	Code, Refresh, Credentials, Device, CIBA, JWT      bool   // grant types; JWT access tokens
	Profile, Auth, JWKS, JWKSURI                       string // how it proves itself, and by which keys
	Auths, Profiles                                    []Choice
	RequirePushed, DPoP, RequireSigned, CertBound      bool
	Signing                                            []AlgChoice
	TLSSubject                                         string
	ClaimsInAccess, KeepRefresh                        bool   // claims in access tokens; the refresh token is not rotated
	Alg, AccessTTL, RefreshIdle, RefreshGrace          string // durations as typed, such as 15m
	Audience, Defaults                                 string // Defaults: the scopes where a request names none
	Exchange                                           bool   // token exchange
	Ping                                               bool   // an application that asks phones is told of the answer (CIBA)
	Notify                                             string // where it is
	Targets                                            string // of it
	Resources                                          string // that it stands for, as an API
	SubjectTypes                                       []Choice
	SubjectType, SectorURI, InitiateURI                string
	Algs                                               []string // JOSE names to choose from
	Problem                                            Message
	Wrong                                              string // which field
}

func (AdminApps) file() string    { return "adminapps" }
func (AdminApp) file() string     { return "adminapp" }
func (AdminNewApp) file() string  { return "adminnewapp" }
func (AdminSecret) file() string  { return "adminsecret" }
func (AdminAppForm) file() string { return "adminappform" }

func (AdminRegistration) file() string { return "adminregistration" }

// AdminTry asks how to begin a test sign-in.
type AdminTry struct {
	Frame
	App     DeskApp
	Consent bool // people are asked what the application may be told
	Problem Message
}

// TryStep is one step of a test sign-in.
type TryStep struct {
	Label   Message
	OK      bool
	Skipped bool    // the sign-in did not come so far
	Why     Message // what went wrong; no key: nothing
	Said    string  // what was said of it: an error's text, a device's name, groups
	Took    string  // with its unit
}

// ClaimLine is one claim.
type ClaimLine struct {
	Name, Value string
	At          time.Time // the value, where it is a moment; else zero
}

// AdminTried is the result of a test sign-in.
type AdminTried struct {
	Frame
	App                       DeskApp
	MayEdit                   bool
	Start                     bool // the first steps are open
	Waiting, Over             bool // there is no result yet; and none can come
	OK                        bool
	Failed                    Message // why the step failed that did
	At                        time.Time
	By                        string
	Steps                     []TryStep
	Asked, Scopes             []string // scopes that were asked for, and given
	Alg                       string   // that the ID token is signed with
	JWT, Refresh              bool     // the access token is a JWT; there was a refresh token
	Minutes                   int      // lifetime of the access token
	Method                    Message  // the second factor
	IDToken, Userinfo         []ClaimLine
	IDTokenJSON, UserinfoJSON string
}

// AdminStart leads through the first steps.
type AdminStart struct {
	Frame
	Name              string    // sign-in name of who reads it
	Devices, Recovery int       // their devices and unused recovery codes
	CodeOnly          bool      // none of their devices has our app
	Apps              []DeskApp // to test
	Tested            string    // name of the application whose test went well; empty: none
	Now               int       // the step one is at, 2 to 4; 0: all are done
	Aside, Done       bool      // put aside; all steps are done
	MayEdit, Secure   bool      // Secure: the issuer is https
	Mail              bool      // a mail server is configured
	Issuer            string
}

// RuleRow is a claim that an application has a name of its own for, as typed.
type RuleRow struct {
	Name, From, Map string // From: the claim it is made of, empty for a text; Map: that text, or which values become which
	One             bool   // it has one value, the first that fits
	Problem         Message
	Fresh           bool // the row was added just now
}

// Preview is what an application would be told of somebody.
type Preview struct {
	Who               string       // as typed
	Found             []DeskPerson // who could be meant
	Nobody            bool         // nobody could be meant
	Person            *DeskPerson  // who is meant; nil: not known
	Admitted          bool         // they may sign in to the application
	IDToken, Userinfo []ClaimLine
}

// AdminClaims is what an application is told of people.
type AdminClaims struct {
	Frame
	Note    Message
	App     DeskApp
	Scopes  []string
	Rows    []RuleRow
	Preview Preview
	MayEdit bool
}

// AdminRules is the form of the claims that an application has names of its own for.
type AdminRules struct {
	Frame
	App     DeskApp
	Scopes  []string
	Rows    []RuleRow
	Known   []string // claims that one can be made of
	Full    bool     // no row can be added
	Wrong   bool     // a row has a problem
	Preview Preview
}

func (AdminClaims) file() string { return "adminclaims" }
func (AdminRules) file() string  { return "adminrules" }

func (AdminTry) file() string   { return "admintry" }
func (AdminTried) file() string { return "admintried" }
func (AdminStart) file() string { return "adminstart" }

// PlotBar is one bar of a plot, in units of its view box.
type PlotBar struct {
	Class      string
	X, Y, W, H int
}

// PlotSeries is what bars of one class stand for.
type PlotSeries struct {
	Class string
	Label Message
	Sum   int // over all days
}

// PlotDay is the numbers of one day.
type PlotDay struct {
	At     time.Time // when the day begins, in UTC
	Counts []int     // one for each series
}

// Plot is a picture of what happened over days.
type Plot struct {
	Title         Message
	Width, Height int // of the view box
	Most          int // sum of all series on the day with the most
	Series        []PlotSeries
	Bars          []PlotBar
	Days          []PlotDay
	From, Until   time.Time
}

// PushLine is how it goes with one push service, since the provider was started:
// idp.PushFigures.
type PushLine struct {
	Service                                             string
	Attempts, Delivered, Dead, Failed, Retried, Waiting int
	Rate, P50, P95                                      string // Rate: delivered of those that are through, in percent; the others with their unit
	LastError                                           string
	LastAt                                              time.Time // of LastError
	Alarm                                               string    // what the operator has to mend; empty: nothing
}

// KeyLine is one signing key.
type KeyLine struct {
	ID, Alg  string
	State    string    // "next", "signs", "retired"
	Days     int       // "signs": since when
	ActiveAt time.Time // when it begins to sign
	GoneAt   time.Time // when it is published no more
}

// AdminHealth is how the provider fares.
type AdminHealth struct {
	Frame
	Version                                            string  // of the running program
	Size                                               Message // of the database
	Engine                                             string  // of the database, with its version
	Tables                                             int64   // version of those of the database
	Events, People, Devices                            int
	Failing, Logins, Challenges, Invitations, Pairings Count          // Failing: devices whose notifications do not arrive; the others: open now
	Unwritable                                         Message        // why nothing can be written; without a key: it can
	SweptAt                                            time.Time      // when old rows were deleted last; zero: never
	Instances                                          []InstanceLine // that serve one database; none where it is a file
	Lag                                                string         // of the log; empty: nothing waits to be put into it, ever
	Keys                                               []KeyLine
	Push                                               []PushLine
	Logouts                                            []LogoutLine
	Mail                                               *MailLine // nil: mail is off
	Plots                                              []Plot
}

// InstanceLine is a process that serves: idp.Instance.
type InstanceLine struct {
	ID, Host, Version  string
	Tables             int64 // version that it is made for
	StartedAt, HeardAt time.Time
}

// MailLine says how it goes with sending mail: idp.MailFigures.
type MailLine struct {
	Waiting, Lost              Count // mails that wait, and that were given up
	OldestAt, SentAt, FailedAt time.Time
	Said                       Message // why the last try came to nothing
	Detailed                   string  // what the mail server said then
}

func (AdminHealth) file() string   { return "adminhealth" }
func (AdminDevices) file() string  { return "admindevices" }
func (AdminDevice) file() string   { return "admindevice" }
func (Ask) file() string           { return "ask" }
func (AdminUnlinked) file() string { return "adminunlinked" }
func (AdminLink) file() string     { return "adminlink" }

func deskPages() []Page {
	return []Page{AdminDevices{}, AdminDevice{}, Ask{}, AdminUnlinked{}, AdminLink{},
		AdminUsers{}, AdminUser{}, AdminPerson{}, AdminImport{}, AdminImporting{}, AdminSessions{},
		AdminAudit{}, AdminChain{},
		AdminApps{}, AdminApp{}, AdminNewApp{}, AdminSecret{}, AdminAppForm{}, AdminRegistration{}, AdminHealth{},
		AdminTry{}, AdminTried{}, AdminStart{}, AdminClaims{}, AdminRules{}}
}

package templates

import "time"

// Head is the heading of a column that a list can be ordered by.
type Head struct {
	Path   string // the list in that order, or from its other end
	Sorted string // "ascending", "descending"; empty: by another
}

// Chip is a property by which a list is narrowed.
type Chip struct {
	Path  string // the list with it, or without
	Label Message
	On    bool
	Count *Count // how many it would leave; nil: not counted
	None  bool   // none
}

// List is what every list of the administration has around it.
type List struct {
	Path     string
	Words    string  // searched for
	Hidden   []Field // what a search keeps
	Chips    []Chip
	Total    Message
	Filtered bool
	Clear    string // the list without words and facets
	Next     string // empty: there is no more
	Prev     string
	Short    bool // searched as far as one request may
	CSV      string
}

// DeskPerson is the person that a line of the administration is about.
type DeskPerson struct {
	ID    string
	Name  string // to sign in with
	Shown string
	Email string
	State string // "active", "invited", "disabled"
	Staff string
}

// DeskDevice is one device of anybody.
type DeskDevice struct {
	Device
	App      string // as it calls itself
	PushOK   time.Time
	PushSaid string // why none arrives
	Person   DeskPerson
	Of       int  // how many the person has
	Unused   bool // for 90 days
}

// DeskEvent is one line of a history.
type DeskEvent struct {
	Seq     int64
	At      time.Time
	Kind    string
	What    Message
	Good    bool
	Actor   string
	Address string
	Reason  string
	Of      string // sign-in name of whom it concerns, where the event has it
	Person  string // their id
	About   string // name of the device or the application
	Client  string
	Test    bool // of the client
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
	Max                                  int
	Kind, Push, Linked, Used, Email, App bool // columns that are shown
	ByPerson, ByName, ByLinked, ByUsed   Head
	Rows                                 []DeskDevice

	AllFound string // where unlinking all that was found is asked about; empty: it is not offered
	Found    int    // how many
	TooMany  int    // not offered, for more was found than this; zero: that is not why
}

// AdminDevice is one device and what happened with it.
type AdminDevice struct {
	Frame
	Device                         DeskDevice
	Max                            int
	Events                         []DeskEvent
	Older                          string // path of the history before; empty: that is all
	MayUnlink, MayReopen, MayBlock bool

	Gone        bool // unlinked: of the device there is its name, if the log has it
	GoneAt      time.Time
	GoneBy, Why string
}

// AskLine is one device of several that an act is asked about.
type AskLine struct {
	Name    string
	Of      string // whose
	Last    bool   // the only one of its owner
	Refused bool   // this role may not
	Gone    bool
	Done    bool
}

// Ask asks before something is done that somebody else will notice.
type Ask struct {
	Frame
	Title   Message
	Text    Message
	Whose   Message   // says more about them; no key: nothing
	Lines   []AskLine // what it is done to
	More    Message   // besides
	Refused Message   // of them
	Changed Message   // since it was asked before
	Action  string    // posted to
	Field   Field     // besides; no name: nothing
	Yes     Message
	Back    string
	Danger  bool
	Reason  bool   // is asked for
	Typed   string // as reason
	MayLost bool   // whether it was lost or stolen is asked, too
	Lost    bool   // was said
	Way     Way    // of the link that comes of it
	Problem Message
	Wrong   string // "via": the problem is the way; else it is the reason
}

// Way asks how a one-time link gets to the person. The zero value asks nothing:
// it is shown.
type Way struct {
	Mail bool   // this site sends mail
	To   string // mail address of the person; empty: none is known
	Link bool   // to be shown was chosen
}

// AdminUnlinked says what became of several devices when not all were unlinked.
type AdminUnlinked struct {
	Frame
	Done, Left int
	Lines      []AskLine
}

// AdminLink shows a one-time link, this once.
type AdminLink struct {
	Frame
	Person    DeskPerson
	Text      Message
	Link      string
	ExpiresAt time.Time
	Unlinked  []string
	Next      string
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
	Address string
	At      time.Time
	Told    []ToldLine
	Left    []string // applications that cannot be told
}

// LogoutLine is how telling one application fares.
type LogoutLine struct {
	ID, App       string
	Waiting, Lost Count
	OldestAt      time.Time
	FailedAt      time.Time
	Said          Message
}

// AdminUsers is all people.
type AdminUsers struct {
	Frame
	List
	Note                      Message
	MayAdd                    bool
	Max                       int
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
	Max           int
	Recovery      int
	Locked        []Message
	InvitedUntil  time.Time // zero: no link is open
	Sessions      []DeskSession
	Ended         []DeskEnded
	MailedTo      string // a link that is open went there just now

	MayEdit, MayUnlink, MayEnd, MayInvite, MayReopen, MayReset, MayUnlock, MayBlock bool
}

// AdminPerson is the form of what is known of a person. A Person without ID is new.
type AdminPerson struct {
	Frame
	Person                                              DeskPerson
	GivenName, FamilyName, Phone, Locale, Roles, Groups string
	MayStaff                                            bool
	Devices                                             []Device // to be confirmed before a role is given
	Linked                                              string   // the same, as the form gives them back
	Way                                                 Way      // of the link to somebody new
	Problem                                             Message
	Wrong                                               string
}

// FaultLine is one faulty line of a file.
type FaultLine struct {
	Line    int
	Name    string
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
	Columns   []string
	People    int // at most
	Megabytes int // at most
	Problem   Message
	Other     string // path of an import that is under way
}

// AdminImporting is an import under way, and what came of it.
type AdminImporting struct {
	Frame
	ID       string
	State    string // "checking", "adding", "mailing", "stopping"; "faults", "wrong", "nobody", "good", "done", "stopped", "failed", "lost"
	Word     string // changes when the page does
	Done, Of int
	Far      Message // the same in words
	MayAdd   bool
	Columns  []string
	Text     string // of the file, when it is short enough to be mended here
	People   int    // good lines
	Added    int
	Faulty   int // lines; 0: as many as Faults
	Faults   []FaultLine
	More     bool     // there are more
	Ignored  []string // columns that are left out
	Problem  Message

	Mail         bool // this site sends mail
	Mailed       int  // invitations that went by mail, or would
	Unmailed     []UnmailedLine
	MoreUnmailed int     // there are so many more
	Rest         Message // why some were not written to
	Waits        bool    // some were not
	Hours        int     // an invitation is good for
	Late         bool    // stopping: all are added, and some were written to
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
	Kind, Who   string
	ByActor     bool // Who did it; else whom it concerns
	Address     string
	From, Until string
	Filtered    bool
	First       bool // the newest part
	Events      []DeskEvent
	Next, Prev  string
	Short       bool
	JSON, CSV   string
	Problem     Message
	Wrong       string
}

// AdminChain says whether the log holds together. Without State it says when it
// was checked last.
type AdminChain struct {
	Frame
	ID       string
	State    string // "checking", "whole", "broken", "failed"
	Word     string // changes when the page does
	Done, Of int
	Far      Message // the same in words
	Said     string  // where it is broken
	Events   int
	Digest   string // of the last event

	LastAt                        time.Time
	LastBy, LastFault, LastDigest string
}

func (AdminAudit) file() string { return "adminaudit" }
func (AdminChain) file() string { return "adminchain" }

// DeskApp is one application.
type DeskApp struct {
	ID, Name   string
	Tile       Tile
	Public     bool // has no secret
	Native     bool // a program on people's own machines
	Program    bool // signs nobody in
	Disabled   bool
	Deviations []Message // what is less safe than proposed
	Groups     []string  // who may sign in; none: everybody
	AddedAt    time.Time
}

// DeskSecret is one secret of an application, without itself.
type DeskSecret struct {
	MadeAt, UsedAt, EndsAt time.Time
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
	Redirects, Logouts, Origins, Scopes []string
	Match                               Message
	Told                                string // address
	Logout                              LogoutLine
	Consent                             bool
	Secrets                             []DeskSecret
	Rejected                            []RejectedLine // latest first
	MayEdit                             bool
}

// RejectedLine is one refused request of an application. What was sent is data of
// strangers.
type RejectedLine struct {
	At         time.Time
	Why        Message
	Sent       string
	Registered []string
	Reference  string
	Times      int
}

// Need is one thing that a preset asks for.
type Need struct {
	Name    string
	Label   Message
	Example string
	Value   string
}

// AdminNewApp lets choose a preset, and asks for what it needs.
type AdminNewApp struct {
	Frame
	Presets []Field // id and name
	Chosen  Field
	Name    string
	Needs   []Need
	Problem Message
	Wrong   string
}

// AdminSecret shows a secret, this once, and what to paste.
type AdminSecret struct {
	Frame
	App    DeskApp
	New    bool // the application, too
	Secret string
	Paste  []Field // file and text
	Next   string
}

// AdminAppForm is the form of an application.
type AdminAppForm struct {
	Frame
	App                                                DeskApp
	Redirects, Logouts, Origins, Scopes, Groups, Match string
	Matches                                            []Choice
	Told                                               string
	ToldSession                                        bool
	Consent, OptionalPKCE, ClaimsInID, RefreshAlways   bool
	Advanced                                           bool // open
	Code, Refresh, Credentials, JWT, Post              bool
	Alg, AccessTTL, RefreshIdle, RefreshGrace          string
	Audience                                           string
	Algs                                               []string
	Problem                                            Message
	Wrong                                              string
}

func (AdminApps) file() string    { return "adminapps" }
func (AdminApp) file() string     { return "adminapp" }
func (AdminNewApp) file() string  { return "adminnewapp" }
func (AdminSecret) file() string  { return "adminsecret" }
func (AdminAppForm) file() string { return "adminappform" }

// AdminTry asks how to begin a test sign-in.
type AdminTry struct {
	Frame
	App     DeskApp
	Consent bool // people are asked what is shared
	Problem Message
}

// TryStep is one step of a test sign-in.
type TryStep struct {
	Label   Message
	OK      bool
	Skipped bool // it did not come so far
	Why     Message
	Said    string
	Took    string
}

// ClaimLine is one claim; At is set where it is a moment.
type ClaimLine struct {
	Name, Value string
	At          time.Time
}

// AdminTried is the result of a test sign-in.
type AdminTried struct {
	Frame
	App                       DeskApp
	MayEdit                   bool
	Start                     bool // the first steps are open
	Waiting, Over             bool // no answer yet; and none can come
	OK                        bool
	Failed                    Message
	At                        time.Time
	By                        string
	Steps                     []TryStep
	Asked, Scopes             []string
	Alg                       string
	JWT, Refresh              bool
	Minutes                   int
	Method                    Message
	IDToken, Userinfo         []ClaimLine
	IDTokenJSON, UserinfoJSON string
}

// AdminStart leads through the first steps.
type AdminStart struct {
	Frame
	Name              string
	Devices, Recovery int
	Apps              []DeskApp // to test
	Tested            string    // the application
	Now               int       // the step one is at; 0: all are done
	Aside, Done       bool
	MayEdit, Secure   bool
	Mail              bool // is set up
	Issuer            string
}

// RuleRow is a claim that an application has a name of its own for, as typed.
type RuleRow struct {
	Name, From, Map string
	One             bool
	Problem         Message
	Fresh           bool // added just now
}

// Preview is what an application would be told of somebody.
type Preview struct {
	Who               string       // as typed
	Found             []DeskPerson // who could be meant
	Nobody            bool
	Person            *DeskPerson
	Admitted          bool
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

// AdminRules is the form of what an application is told of people.
type AdminRules struct {
	Frame
	App     DeskApp
	Scopes  []string
	Rows    []RuleRow
	Known   []string // claims that one can be made of
	Full    bool     // no row more
	Wrong   bool
	Preview Preview
}

func (AdminClaims) file() string { return "adminclaims" }
func (AdminRules) file() string  { return "adminrules" }

func (AdminTry) file() string   { return "admintry" }
func (AdminTried) file() string { return "admintried" }
func (AdminStart) file() string { return "adminstart" }

// PlotBar is one bar of a plot, in its units.
type PlotBar struct {
	Class      string
	X, Y, W, H int
}

// PlotSeries is what bars of one class stand for.
type PlotSeries struct {
	Class string
	Label Message
	Sum   int
}

// PlotDay is the numbers of one day, as the series are.
type PlotDay struct {
	At     time.Time
	Counts []int
}

// Plot is a bar chart of what happened over days.
type Plot struct {
	Title         Message
	Width, Height int // of the view box
	Most          int // on one day
	Series        []PlotSeries
	Bars          []PlotBar
	Days          []PlotDay
	From, Until   time.Time
}

// PushLine is how one push service fares.
type PushLine struct {
	Service                                             string
	Attempts, Delivered, Dead, Failed, Retried, Waiting int
	Rate, P50, P95                                      string
	LastError                                           string
	LastAt                                              time.Time
	Alarm                                               string
}

// KeyLine is one signing key.
type KeyLine struct {
	ID, Alg  string
	State    string // "next", "signs", "retired"
	Days     int    // since it signs
	ActiveAt time.Time
	GoneAt   time.Time
}

// AdminHealth is how the provider fares.
type AdminHealth struct {
	Frame
	Size                                               Message
	Events, People, Devices                            int
	Failing, Logins, Challenges, Invitations, Pairings Count
	Unwritable                                         Message // why nothing can be written; without a key: it can
	SweptAt                                            time.Time
	Keys                                               []KeyLine
	Push                                               []PushLine
	Logouts                                            []LogoutLine
	Mail                                               *MailLine // nil: mail is off
	Plots                                              []Plot
}

// MailLine says how sending mail fares.
type MailLine struct {
	Waiting, Lost              Count
	OldestAt, SentAt, FailedAt time.Time
	Said                       Message
	Detailed                   string // what the mail server said
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
		AdminApps{}, AdminApp{}, AdminNewApp{}, AdminSecret{}, AdminAppForm{}, AdminHealth{},
		AdminTry{}, AdminTried{}, AdminStart{}, AdminClaims{}, AdminRules{}}
}

package templates

import (
	"html/template"
	"time"
)

// Frame is what every page has around it.
type Frame struct {
	Site  string     // the site's name
	Lang  string     // tag of the page's language (BCP 47)
	Langs []Language // to choose from; fewer than two: no choice
	Look  Look       // what an operator has made of it
	Theme string     // "dark", "light" or, for the reader's own, empty
	Here  string     // the page to come back to from the switches of theme and language, by name; empty: no switches
	Dot   int        // where the mark's dot stands: 0 in the opening, 1 inside, 2 at home with the ring closed
	Tab   string     // account pages: which tab is open
	User  string     // account pages: who is signed in
	Staff bool       // account pages: they have a role in the administration
	Desk  []string   // pages of the administration: the tabs that the role may open
	Ends  int        // account pages: seconds until the session ends, where nothing is done
	Lasts bool       // account pages: it ends then whatever is done
	Help  Help       // whom to ask who cannot sign in
}

// Help is the help line of the site. The zero Help says nothing.
type Help struct {
	Text string
	Link template.URL // https, tel or mailto, checked; empty: none
}

// Look is how a site differs from ours.
type Look struct {
	Sheet     string // path of the style that has its accent; empty: ours
	Logo      string // path; empty: our mark
	LogoDark  string // path of the one for the dark theme; empty: Logo
	LogoNamed bool   // the logos show the name of the site
}

// Tile stands for an application: its icon, or a letter. The zero Tile is none.
type Tile struct {
	Icon   string // path; empty: Letter is shown
	Letter string // the first of the application's name
}

func (f Frame) lang() string { return f.Lang }

// Retry says when something may be tried again.
type Retry struct {
	Seconds int // zero: at once
}

// Password asks for user name and password.
type Password struct {
	Frame
	ID       string // of the sign-in, as on all its pages
	App      string // the application, or the site for its own pages
	Tile     Tile
	UserName string
	Problem  Message
	Note     Message
	Retry    Retry
	Cancel   bool   // there is an application to go back to
	Mail     bool   // a link to a new password can be asked for
	Fixed    bool   // the second factor was given first: the user name stays, and its password is asked for
	Word     string // the state that the page shows (login.Step.Word): when it is another, so is the page
	Links    []PartyLink
}

// PartyLink leads to a page of an application's own, such as its terms.
type PartyLink struct {
	Text Message
	Href string // https, or http on this machine
}

// Confirm stands before a question to phones that a link of another site would ask.
type Confirm struct {
	Frame
	To string // the page to come back to, by name
}

// First asks for the second factor before the password. The page is the same for a name
// that nobody has.
type First struct {
	Frame
	ID      string
	App     string
	Phones  Phones // state "ready": none was asked yet
	Problem Message
	Retry   Retry
	Cancel  bool
}

// Forgot asks whose password is forgotten.
type Forgot struct {
	Frame
	ID       string
	App      string
	UserName string // sign-in name or mail address, as typed
	Problem  Message
}

// ForgotSent says that a mail is on its way. The page is the same for a name that nobody
// has.
type ForgotSent struct {
	Frame
	ID  string
	App string
}

// Factor asks for the second factor.
type Factor struct {
	Frame
	ID           string
	App          string
	UserName     string
	StepUp       bool    // within a session: it leads back to the page that needs it
	NewPassword  bool    // a new password was chosen, and counts when the second factor is given
	Linked       bool    // there is a device that shows codes
	Phones       *Phones // nil: there is none to ask
	OpenCode     bool    // the code field has the focus: no phone is being asked
	Recovery     bool    // there are unused recovery codes
	OpenRecovery bool    // the recovery field is in use
	Problem      Message
	Aside        Message // besides Problem: which other way still works
	Note         Message // what became of a form that was posted before; no key: nothing was
	Retry        Retry
	Cancel       bool
}

// Waiting is how asking a person's phones stands, for a frame of its own.
type Waiting struct {
	Frame
	ID    string
	State string // as in Phones; anything else: the sign-in is elsewhere
}

// Phones is how asking a person's phones stands.
type Phones struct {
	State    string   // "asked", "approved", "expired", "lapsed", "moved", "wrong", "paused", "off"; before the password also "ready"
	Word     string   // the state as the event stream tells it: the page changes with it
	Names    []string // of the phones that were asked
	Mode     string   // how a phone is matched to the browser: "tap", "type", "pick", "strict"
	Number   string   // to be typed or picked on the phone
	App      string   // path of ours that opens an app on the phone that shows the page
	Seconds  int      // that are left to answer
	Total    int      // seconds that there were to answer
	Resend   bool     // phones can be asked again
	ResendIn int      // seconds until then
	Wait     Message  // for how long phones cannot be asked; no key: they can
	// WaitSeconds is the same in seconds.
	WaitSeconds int
}

// Scan is how far our app has come with an offer.
type Scan struct {
	Name   string // of the phone that has scanned the code; empty: none yet
	Tapped bool   // it has said Login
	Rival  bool   // another phone has used the same code
	Silent bool   // no notification reaches it
}

// Consent asks what an application may be told.
type Consent struct {
	Frame
	ID       string
	App      string
	Tile     Tile
	Host     string // host of the redirect URI, where the browser goes back to
	UserName string
	Scopes   []Message // what the scopes, and the claims asked by name, let it be told, in words
	Hours    int       // how long the answer holds at most
	// Emergency says that the person would claim an emergency by it.
	Emergency bool
	Links     []PartyLink
}

// Notice says one thing: what happened, and what to do.
type Notice struct {
	Frame
	Kind       string // "bad", "good" or "plain"
	Title      Message
	Text       Message
	More       Message  // a second sentence; no key: none
	Reference  string   // finds the line in our log; empty: none
	Told, Left []string // applications that are signed out of, and that may still be open
	Form       string   // path of our own that a button posts to; empty: no button
	FormText   Message  // of that button
	Link       string   // path of our own, or address of an application, to go on to; empty: none
	LinkText   Message
}

// Field is a name and value to be posted with a form.
type Field struct{ Name, Value string }

// Held sends a form on that waited for a second factor.
type Held struct {
	Frame
	Action string // path
	Fields []Field
}

// FormPost posts itself to a relying party (OAuth 2.0 Form Post Response Mode).
type FormPost struct {
	Frame
	Action string // the redirect URI
	Fields []Field
}

// SignOut asks whether to sign out.
type SignOut struct {
	Frame
	Action string
	Fields []Field
	App    string // the application that asks for it; empty: none that is known
}

// Done continues a finished sign-in that was not collected yet.
type Done struct {
	Frame
	ID          string
	NewPassword bool // going on makes a new password count
}

// Invite says what a one-time link is for.
type Invite struct {
	Frame
	Path      string // where the link leads, posted to
	Purpose   string // "setup", "enrol", "reset" or "forgotten"
	UserName  string
	App       GetApp // where a device is to be linked
	ExpiresAt time.Time
}

// Name asks for the names of the first account.
type Name struct {
	Frame
	ID       string
	UserName string
	Name     string
	Problem  Message
	Wrong    string // which field
}

// QR is a code drawn as one SVG path.
type QR struct {
	Size int    // side of the view box in modules, quiet zone included
	Path string // one unit is one module
}

// qrSide is what a drawn code may measure at most, in CSS pixels, unless its modules would
// have less than four.
const qrSide = 240

// Side is how large a page shows the code, in CSS pixels: a whole number of them a module.
// Modules that differ by a pixel are read worse, one code in a hundred not at all.
func (q QR) Side() int { return q.Size * max(4, qrSide/max(1, q.Size)) }

// Offer is a device waiting to be linked.
type Offer struct {
	QR        QR
	URI       template.URL // otpauth link, made by us
	Here      template.URL // the same, for our app on the device that shows the page
	Secret    string       // in groups of four
	Plain     QR           // the same without what our app reads, for other apps that stumble over it
	Account   string       // user name, for typing into our app
	Short     string       // code for typing into our app, beside it; empty: none
	IPhone    bool         // the page is open on an iPhone or iPad, where an installed app cannot be opened by a link
	ExpiresAt time.Time
	Seconds   int // until ExpiresAt
}

// GetApp says where our app is had from. The zero GetApp says nothing.
type GetApp struct {
	Address string // of the app's page
	QR      QR     // of that address
}

// Choose asks for a new password, by a one-time link.
type Choose struct {
	Frame
	ID        string
	UserName  string
	Linking   bool // a first device is linked next; else it is a new password for an account that has one
	Forgotten bool // the phone is asked before the password counts
	Problem   Message
	Wrong     bool // the password is what the problem is about
}

// Enrol links the first device, by a one-time link.
type Enrol struct {
	Frame
	ID         string
	UserName   string
	Chosen     bool // a password was chosen just before, and counts with the device
	Offer      Offer
	App        GetApp
	Live       string // path of the event stream that tells when the phone has moved
	Word       string // the state as that stream tells it
	Scan       Scan
	ServerTime time.Time // shown after wrong codes, to compare the phone's clock with; zero: it is not shown
	Code       string
	DeviceName string
	Problem    Message
	Wrong      string // which field: "code", "device_name"
}

// Codes shows recovery codes, this once.
type Codes struct {
	Frame
	UserName string
	Codes    []string
	Text     string // all codes, one a line, for copying
	Next     string // path to go on to
	Post     bool   // going on is a POST, because it changes something
}

// Security is the first tab of the account: how the person proves who they are.
type Security struct {
	Frame
	Devices  int // how many are linked
	Max      int // how many may be
	Recovery int // unused recovery codes
	Note     Message
	Apps     []OpenApp // that the person can open from here
}

// OpenApp is an application that a person can open.
type OpenApp struct {
	Name string
	At   string // its address
}

// Device is one line of the tab «My devices».
type Device struct {
	ID       string
	Name     string
	Kind     string    // "app" or "code"
	Platform string    // "ios", "android", "web", "other"
	Push     string    // notifications: "working", "failing", "off", "untried"; empty: it is no phone with our app
	PushBad  time.Time // notifications are failing since then
	Test     bool      // a test can be sent
	Verifies bool      // it can ask for a fingerprint or PIN
	LinkedAt time.Time
	UsedAt   time.Time // zero: never
	Problem  Message   // about its new name
	Typed    string    // the new name, as typed
}

// Devices is the tab «My devices».
type Devices struct {
	Frame
	Devices []Device
	Max     int
	Note    Message
}

// LinkIntro says how a device is linked, before a QR code is drawn.
type LinkIntro struct {
	Frame
	Count, Max int // devices that are linked, and that may be
	App        GetApp
}

// Link shows the QR code and takes the code from the app.
type Link struct {
	Frame
	App        GetApp
	ID         string
	Offer      Offer
	Move       bool   // all places are taken: only a phone that takes the place of another is linked
	Live       string // path of the event stream that tells when the phone has moved
	Word       string // the state as that stream tells it
	Scan       Scan
	ServerTime time.Time // as Enrol has it
	DeviceName string
	Code       string
	Problem    Message
	Wrong      string // which field: "code", "device_name"
}

// Unlink asks whether to unlink a device, or says why the last one stays.
type Unlink struct {
	Frame
	Device Device
	Last   bool
}

// ChangePassword takes the old and the new password.
type ChangePassword struct {
	Frame
	Problem Message
	Wrong   string
	Retry   Retry
}

// RecoveryIntro says what recovery codes are, before new ones are made.
type RecoveryIntro struct {
	Frame
	Left int // codes that are unused
}

// Session is one line of the tab «Sessions».
type Session struct {
	ID      string
	This    bool // it is the one that the page is shown in
	Browser Message
	Where
	Apps   []string
	Since  time.Time
	LastAt time.Time
}

// Where is a client address, and what is known of it.
type Where struct {
	Address string
	Network string // the operator's name for its network; empty: none
	Place   string // city and country, in the language of the page; empty: not known
}

// Remembered is a browser that the person has signed in in.
type Remembered struct {
	N       int64 // its number
	This    bool  // it is the one that shows the page
	Browser Message
	Where   // of the latest sign-in; no address: it was not kept
	LastAt  time.Time
	Until   time.Time // it is remembered
}

// Sessions is the tab of that name.
type Sessions struct {
	Frame
	Sessions   []Session
	Remembered []Remembered
	Note       Message
}

// LanguageChoice is a language that a person can choose for their account.
type LanguageChoice struct {
	Language
	Value string // of the form: the tag, or what the account has of this language
	On    bool
}

// Profile is the tab of that name: what the site knows of the person.
type Profile struct {
	Frame
	UserName, Name        string
	GivenName, FamilyName string
	Email, Phone          string
	Office                Message // their role in the administration; no key: none
	Roles, Groups         []string
	AddedAt               time.Time
	Languages             []LanguageChoice // fewer than two: there is no choice
	Note                  Message
}

// Occurrence is an event of the account, as its owner is shown it.
type Occurrence struct {
	Seq     int64 // its number in the log
	At      time.Time
	What    Message
	Browser Message // no key: it is not known
	Device  string  // name of the device concerned; empty: none that is linked
	Where           // from where; no address: it was done nowhere
	This    bool    // it is about the session that the page is shown in
	Bad     bool    // somebody else may be behind it
	Foreign bool    // the administration has done it
	Doubt   bool    // the person may say that it was not them
}

// Activity is the tab of that name: what has happened to the account, newest first.
type Activity struct {
	Frame
	Events     []Occurrence
	Next, Prev string // paths of the pages beside this one; empty: none
	Short      bool   // the search was broken off: there may be more
	Note       Message
}

// Doubt asks whether somebody else is to be cut off, or says what is left to do.
type Doubt struct {
	Frame
	Event    Occurrence
	Path     string // posted to
	One      bool   // one session ends; else all others
	Own      bool   // it was in the browser that the page is shown in
	Done     bool
	Unlink   string // path of the page that unlinks the device concerned; empty: it is not linked
	Recovery bool   // a recovery code was used: new ones are due
}

func (Password) file() string       { return "password" }
func (Confirm) file() string        { return "confirm" }
func (First) file() string          { return "first" }
func (Forgot) file() string         { return "forgot" }
func (ForgotSent) file() string     { return "forgotsent" }
func (Factor) file() string         { return "factor" }
func (Waiting) file() string        { return "waiting" }
func (Consent) file() string        { return "consent" }
func (Notice) file() string         { return "notice" }
func (FormPost) file() string       { return "formpost" }
func (Held) file() string           { return "held" }
func (SignOut) file() string        { return "signout" }
func (Done) file() string           { return "done" }
func (Invite) file() string         { return "invite" }
func (Name) file() string           { return "name" }
func (Choose) file() string         { return "choose" }
func (Enrol) file() string          { return "enrol" }
func (Codes) file() string          { return "codes" }
func (Security) file() string       { return "security" }
func (Devices) file() string        { return "devices" }
func (LinkIntro) file() string      { return "linkintro" }
func (Link) file() string           { return "link" }
func (Unlink) file() string         { return "unlink" }
func (ChangePassword) file() string { return "changepassword" }
func (RecoveryIntro) file() string  { return "recoveryintro" }
func (Sessions) file() string       { return "sessions" }
func (Profile) file() string        { return "profile" }
func (Activity) file() string       { return "activity" }
func (Doubt) file() string          { return "notme" }

// App is the phone app's one page. It says nothing of anybody: every phone gets
// the same, and keeps it.
type App struct {
	Site    string
	Look    Look
	Modules []string // paths of the scripts that its main script imports
}

// AppScan is the page of the phone app that reads QR codes.
type AppScan struct {
	Site string
	Look Look
}

// The app chooses its language by the browser and has its words in files of its own
// (static/app/language.js); around them its pages are English.
func (App) lang() string     { return "en" }
func (AppScan) lang() string { return "en" }

func (App) file() string     { return "app" }
func (AppScan) file() string { return "appscan" }

// Pages lists an empty page of every kind, for the tests.
func Pages() []Page {
	return append(append(deskPages(), settingsPages()...), Password{}, First{}, Confirm{}, Forgot{}, ForgotSent{}, Factor{}, Waiting{}, Consent{}, Connect{}, ConnectAsk{}, Notice{}, Held{}, FormPost{}, SignOut{}, Done{}, Invite{}, Name{}, Choose{}, Enrol{}, Codes{},
		Security{}, Devices{}, LinkIntro{}, Link{}, Unlink{}, ChangePassword{}, RecoveryIntro{}, Sessions{}, Profile{}, Activity{}, Doubt{}, App{}, AppScan{})
}

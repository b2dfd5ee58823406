package templates

import "time"

// Connect asks for the code that a machine without a browser shows (RFC 8628, section 3.3).
type Connect struct {
	Frame
	Code    string
	Filled  bool // it came by the address of the page, and is to be compared
	Problem Message
	Retry   Retry
}

// ConnectAsk asks whether that machine is to be signed in. It says what is known of the
// machine, for whoever has a victim type a code is somewhere else (section 5.4).
type ConnectAsk struct {
	Frame
	ID       string // of the sign-in
	App      string
	Tile     Tile
	UserName string
	Where    Where     // the address that asked
	At       time.Time // when it did
	Scopes   []Message // what the scopes let it be told, in words
	Hours    int       // how long the answer holds at most
	// Emergency says that the person would claim an emergency by it.
	Emergency bool
	Links     []PartyLink
}

func (Connect) file() string    { return "connect" }
func (ConnectAsk) file() string { return "connectask" }

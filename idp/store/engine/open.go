package engine

// OpenKind is why a database on a server could not be opened.
type OpenKind string

// The kinds there are.
const (
	OpenUnreachable  OpenKind = "unreachable"  // nobody answers at the address, or TLS fails
	OpenBusy         OpenKind = "busy"         // the server takes no connection now
	OpenRefused      OpenKind = "refused"      // it takes neither this user nor this password from here
	OpenNoDatabase   OpenKind = "no database"  // it has none of that name
	OpenReadOnly     OpenKind = "read-only"    // a standby, or one that takes no changes
	OpenTooOld       OpenKind = "too old"      // the server is older than the statements need
	OpenEmpty        OpenKind = "empty"        // it has no tables, and was to have ours
	OpenNotEmpty     OpenKind = "not empty"    // it has tables, and none of ours
	OpenOtherProgram OpenKind = "other"        // some of its tables are called like ours, and are another program's
	OpenNewer        OpenKind = "newer schema" // of a later release, which this one does not work with
	OpenOlder        OpenKind = "older schema" // to be brought up to date, and an instance lives that would not work with that
	OpenEncoding     OpenKind = "encoding"     // it is not in UTF8
	OpenMoving       OpenKind = "moving"       // a file is moved into it, and that has not ended
	OpenNoRights     OpenKind = "no rights"    // the user may not make tables
)

// OpenError says why a database on a server could not be opened. What to do is for the
// caller to say, who knows where its address was set.
type OpenError struct {
	Kind OpenKind
	Err  error // without a password
}

func (e *OpenError) Error() string { return string(e.Kind) + ": " + e.Err.Error() }

// Unwrap is for errors.Is and errors.As.
func (e *OpenError) Unwrap() error { return e.Err }

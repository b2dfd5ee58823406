package sqlite

// Primary result codes of SQLite (sqlite3.h), as far as something is done about them.
const (
	codeBusy     = 5  // another process has the lock
	codeLocked   = 6  // another connection of this one has it
	codeReadOnly = 8  // the file, or its file system, takes no writes
	codeIO       = 10 // the disk failed, or a file may not grow
	codeFull     = 13 // no space is left
	codeCantOpen = 14 // a file beside the database cannot be made
	codeProtocol = 15 // the race for the lock of the log was lost too often
	codeSchema   = 17 // tables were changed meanwhile
)

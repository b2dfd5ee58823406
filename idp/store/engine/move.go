package engine

// Kind is what a column keeps.
type Kind string

// The kinds there are, as SQLite names them.
const (
	KindText   Kind = "TEXT"
	KindNumber Kind = "INTEGER"
	KindBytes  Kind = "BLOB"
)

// Column is a column of a table.
type Column struct {
	Name string
	Kind Kind
}

// Table is a table whose rows are moved from one database to another.
type Table struct {
	Name    string
	Columns []Column
	Key     []int    // columns of the primary key, in its order
	Parents []string // tables that its foreign keys lead to
}

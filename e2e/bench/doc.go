// Package bench measures the provider as it runs: one process on a core of its
// own, durable on SQLite, asked over loopback from another core, beside what
// the machine can do at most. docs/performance.md says how to read the table.
package bench

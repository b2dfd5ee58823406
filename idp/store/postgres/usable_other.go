//go:build !(linux || darwin || freebsd || netbsd || openbsd)

package postgres

// usable reports whether a connection that nobody has used for a while may be used.
func (c *conn) usable() bool { return !c.dead() }

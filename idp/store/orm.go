package store

import (
	"strings"

	"gorm.io/gorm"
)

// byGorm reads some rows of a table by gorm.
func byGorm[T any, R interface {
	*T
	boundRow
}](t *tx, b binding, after []any, limit int64) ([]boundRow, error) {
	var rows []T
	g := t.ORM().Order(strings.Join(b.keys, ", ")).Limit(int(limit))
	if after != nil {
		g = g.Where(b.past(), after...)
	}
	err := g.Find(&rows).Error
	return boundRows[T, R](rows), err
}

// ORM is engine.Session's.
func (t *tx) ORM() *gorm.DB {
	g := t.session.ORM()
	if t.strict != nil && len(t.strict.held) == 0 {
		g = g.Session(&gorm.Session{})
		_ = g.AddError(errUnheld)
	}
	return g
}

package store

import "strings"

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

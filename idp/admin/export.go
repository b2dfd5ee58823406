package admin

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"hilum/idp"
)

// Lists that can be exported whole, as events name them.
const (
	ListUsers   = "users"
	ListDevices = "devices"
)

// maxFilter is how much of a query the event of an export keeps, in bytes.
const maxFilter = 200

// filter is what a query asked for, written like the parameters of a list's URL:
// "q=words f=facet".
func filter[T ~string](words string, facets []T) string {
	parts := make([]string, 0, len(facets)+1)
	if words != "" {
		parts = append(parts, "q="+words)
	}
	for _, f := range facets {
		parts = append(parts, "f="+string(f))
	}
	text := strings.Join(parts, " ")
	if len(text) > maxFilter {
		text = strings.ToValidUTF8(text[:maxFilter], "")
	}
	return text
}

// Exported notes that a list of people or devices has left, as a file or as lines for
// a program: who took it, by which filter, how many rows, and what stopped it, if
// something did. Also a part that has left is noted, whoever hangs up meanwhile.
// err is what stopped it. Errors: err, and those of the store.
func (d *Desk) Exported(ctx context.Context, by By, list, filter string, rows int, err error) error {
	detail := map[string]string{"list": list, "count": strconv.Itoa(rows)}
	if filter != "" {
		detail["filter"] = filter
	}
	if err != nil {
		detail["outcome"] = "broken off"
	}
	return errors.Join(err, d.conf.Store.AddEvent(context.WithoutCancel(ctx), d.event(idp.EventExported, by, detail)))
}

// FilterOfUsers is the filter of a query as the log keeps it.
func FilterOfUsers(q *idp.UserQuery) string { return filter(q.Words, q.Facets) }

// FilterOfDevices is the filter of a query as the log keeps it.
func FilterOfDevices(q *idp.DeviceQuery) string { return filter(q.Words, q.Facets) }

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hilum/idp"
	"hilum/idp/admin"
)

func (c *cli) deviceCommand() *cobra.Command {
	return group("device", "Find devices of all people, and unlink them", c.deviceList(), c.deviceShow(), c.deviceHistory(), c.deviceUnlink())
}

// texts turns values of a named type of string into strings.
func texts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

// named turns strings into values of a named type.
func named[T ~string](list []string) []T {
	out := make([]T, len(list))
	for i, v := range list {
		out[i] = T(v)
	}
	return out
}

// ownedLine is a device with whose it is, as scripts see it.
type ownedLine struct {
	ID            idp.DeviceID   `json:"id"`
	Name          string         `json:"name"`
	Kind          idp.DeviceKind `json:"kind"`
	Platform      string         `json:"platform"`
	App           string         `json:"app,omitempty"`
	Verifies      bool           `json:"verifies"` // it can ask for a fingerprint or PIN
	User          string         `json:"user"`
	UserID        idp.UserID     `json:"user_id"`
	Person        string         `json:"person"`
	LinkedAt      time.Time      `json:"linked_at"`
	LastUsedAt    *time.Time     `json:"last_used_at,omitempty"`
	Notifications string         `json:"notifications"`    // on, off, "failing: " and why; none: it shows codes only
	Unused        bool           `json:"unused,omitempty"` // for 90 days
	Devices       int            `json:"devices"`          // how many its owner has
}

func ownedLineOf(r *idp.DeviceRow) ownedLine {
	d := &r.Device
	l := ownedLine{
		ID: d.ID, Name: d.Name, Kind: d.Kind, Platform: d.Platform, App: d.App, Verifies: d.Verifies(), User: r.User.Name, UserID: r.User.ID, Person: r.User.DisplayName,
		LinkedAt: d.LinkedAt, Notifications: "none", Unused: r.Unused, Devices: r.Devices,
	}
	if !d.LastUsedAt.IsZero() {
		l.LastUsedAt = &d.LastUsedAt
	}
	switch {
	case d.Kind != idp.DeviceApp:
	case !d.PushBadAt.IsZero():
		l.Notifications = "failing: " + d.PushSaid
	case d.PushType == "":
		l.Notifications = "off"
	default:
		l.Notifications = "on"
	}
	return l
}

// used is when the device was used last, for people.
func (l *ownedLine) used() string {
	if l.LastUsedAt == nil {
		return "never"
	}
	return clock(*l.LastUsedAt)
}

// verifies says whether the device can ask for a fingerprint or PIN, for people.
func (l *ownedLine) verifies() string {
	if l.Verifies {
		return "yes"
	}
	return "no"
}

func (c *cli) deviceList() *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use:   "list [WORD…]",
		Short: "List devices of all people; words are beginnings of names, mail addresses and device names",
		Example: `  idp device list meier iphone
  idp device list --facet failing --sort used --csv
  idp device list --facet unused,only`,
	}
	f.register(cmd.Flags(), texts(idp.DeviceFacets), texts(idp.DeviceSorts))
	cmd.RunE = c.withArgs(func(ctx context.Context, p *provider, args []string) error {
		if err := f.check(); err != nil {
			return err
		}
		q := idp.DeviceQuery{Words: strings.Join(args, " "), Facets: named[idp.DeviceFacet](f.facets), Sort: idp.DeviceSort(f.sort), Down: f.down}
		if f.asCSV {
			return fieldError(p.desk.DevicesCSV(ctx, console(), q, admin.ExportCSV, c.stdout))
		}
		rows := [][]string{{"USER", "DEVICE", "KIND", "PLATFORM", "VERIFIES", "LINKED", "LAST USED", "ID"}}
		printed := 0
		for row, err := range found(f.limit, func(page idp.Page) ([]idp.DeviceRow, idp.Cursors, error) {
			q.Page = page
			part, err := p.desk.SearchDevices(ctx, console(), q)
			if err != nil {
				return nil, idp.Cursors{}, err
			}
			return part.Rows, part.Cursors, nil
		}) {
			if err != nil {
				return fieldError(err)
			}
			printed++
			l := ownedLineOf(row)
			if f.asJSON {
				if err := lines(c.stdout, []ownedLine{l}); err != nil {
					return err
				}
			} else {
				rows = append(rows, []string{l.User, l.Name, string(l.Kind), l.Platform, l.verifies(), clock(l.LinkedAt), l.used(), string(l.ID)})
			}
		}
		if f.asJSON {
			return p.desk.Exported(ctx, console(), admin.ListDevices, admin.FilterOfDevices(&q), printed, nil)
		}
		return table(c.stdout, rows...)
	})
	return cmd
}

func (c *cli) deviceShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show DEVICE",
		Short: "Show one device, by its id, and whose it is",
		Args:  cobra.ExactArgs(1),
		RunE: c.withArgs(func(ctx context.Context, p *provider, args []string) error {
			row, err := p.desk.Device(ctx, console(), idp.DeviceID(args[0]))
			if err != nil {
				return deviceError(err, args[0])
			}
			l := ownedLineOf(row)
			if asJSON {
				return json.NewEncoder(c.stdout).Encode(l)
			}
			return table(c.stdout,
				[]string{"name", l.Name},
				[]string{"id", string(l.ID)},
				[]string{"user", l.User},
				[]string{"person", l.Person},
				[]string{"kind", string(l.Kind)},
				[]string{"platform", l.Platform},
				[]string{"app", orNone(l.App)},
				[]string{"fingerprint or PIN", l.verifies()},
				[]string{"linked", clock(l.LinkedAt)},
				[]string{"last used", l.used()},
				[]string{"notifications", l.Notifications},
				[]string{"devices of the person", fmt.Sprint(l.Devices)},
			)
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, for scripts")
	return cmd
}

func (c *cli) deviceHistory() *cobra.Command {
	var asJSON bool
	var most int
	cmd := &cobra.Command{
		Use:   "history DEVICE",
		Short: "List what happened with a device, newest first; also with one that is unlinked",
		Args:  cobra.ExactArgs(1),
		RunE: c.withArgs(func(ctx context.Context, p *provider, args []string) error {
			printed := 0
			for e, err := range found(most, func(page idp.Page) ([]idp.Event, idp.Cursors, error) {
				part, err := p.desk.DeviceHistory(ctx, console(), idp.DeviceID(args[0]), page)
				if err != nil {
					return nil, idp.Cursors{}, err
				}
				return part.Rows, part.Cursors, nil
			}) {
				if err != nil {
					return fieldError(err)
				}
				if err := c.printEvent(e, asJSON); err != nil {
					return err
				}
				printed++
			}
			if printed == 0 {
				return deviceError(idp.ErrNotFound, args[0])
			}
			return nil
		}),
	}
	cmd.Flags().IntVar(&most, "limit", 0, "stop after so many `events` (0: all)")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// unlinkedLine is what became of one device.
type unlinkedLine struct {
	ID       idp.DeviceID `json:"id"`
	Name     string       `json:"name,omitempty"`
	User     string       `json:"user,omitempty"`
	Unlinked bool         `json:"unlinked"`
	Problem  string       `json:"problem,omitempty"`
}

func (c *cli) deviceUnlink() *cobra.Command {
	var why admin.Why
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "unlink DEVICE…",
		Short: "Remove devices, by their ids; the last ones of their owners too",
		Example: `  idp device unlink DEVICE --lost --reason 'left on the train'
  idp device unlink $(idp device list --facet unused --json | jq -r .id) --reason 'not used for 90 days'`,
		Args: cobra.MinimumNArgs(1),
		RunE: c.withArgs(func(ctx context.Context, p *provider, args []string) error {
			out, err := p.desk.UnlinkDevices(ctx, console(), named[idp.DeviceID](args), why)
			if err != nil {
				return fieldError(err)
			}
			var failed []error
			for _, u := range out {
				l := unlinkedLine{ID: u.Device, Name: u.Name, User: u.Person, Unlinked: u.Err == nil}
				if u.Err != nil {
					u.Err = deviceError(u.Err, string(u.Device))
					l.Problem = u.Err.Error()
					failed = append(failed, u.Err)
				}
				switch {
				case asJSON:
					if err := lines(c.stdout, []unlinkedLine{l}); err != nil {
						return err
					}
				case u.Err == nil:
					c.printf("%q unlinked from %s\n", l.Name, l.User)
				}
			}
			return errors.Join(failed...)
		}),
	}
	whyFlags(cmd, &why)
	jsonFlag(cmd, &asJSON)
	return cmd
}

// deviceError puts an error about the device with an id into words.
func deviceError(err error, id string) error {
	if errors.Is(err, idp.ErrNotFound) {
		return fmt.Errorf("no device has the id %q; \"idp device list\" lists them", id)
	}
	return fieldError(err)
}

package adminapi

import (
	"net/http"
	"slices"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
)

// pushFigures says how one push service fares since the provider was started.
type pushFigures struct {
	Service   string     `json:"service"`
	Attempts  int        `json:"attempts"`
	Delivered int        `json:"delivered"`
	Dead      int        `json:"dead"`
	Failed    int        `json:"failed"`
	Retried   int        `json:"retried"`
	Waiting   int        `json:"waiting"`
	P50       float64    `json:"p50_seconds"`
	P95       float64    `json:"p95_seconds"`
	LastError string     `json:"last_error,omitempty"`
	LastAt    *time.Time `json:"last_error_at,omitempty"`
	Alarm     string     `json:"alarm,omitempty"` // what the operator has to mend
}

// setting is one value that an operator chooses, as it is in force.
type setting struct {
	Key     string          `json:"key"`
	Value   string          `json:"value"`
	Default string          `json:"default"`
	From    idp.SettingFrom `json:"from"`
	Place   string          `json:"place,omitempty"` // in the configuration
	Env     string          `json:"env"`             // the variable that would set it
}

// root says what this is, and as whom the caller is known.
type root struct {
	Version string            `json:"version"`
	Issuer  string            `json:"issuer"`
	Client  idp.ClientID      `json:"client"`
	Role    idp.StaffRole     `json:"role"`
	Links   map[string]string `json:"links"` // what the role may read
}

func (s *Server) root(w http.ResponseWriter, r *http.Request, by admin.By) error {
	if _, err := readQuery(r); err != nil {
		return err
	}
	links := map[string]string{"openapi": s.path + Base + "/openapi.json"}
	for name, act := range map[string]admin.Act{
		"devices": admin.ReadDevices, "users": admin.ReadUsers, "sessions": admin.ReadSessions, "clients": admin.ReadClients, "presets": admin.ReadClients,
		"audit/events": admin.ReadAudit, "audit/feed": admin.ReadAudit, "audit/verify": admin.ReadAudit, "health": admin.ReadHealth, "days": admin.ReadHealth,
		"settings": admin.ReadSettings,
	} {
		if admin.May(by.Role, act) {
			links[name] = s.path + Base + "/" + name
		}
	}
	return s.answer(w, r, http.StatusOK, root{s.conf.Version, s.conf.Issuer, by.Client, by.Role, links})
}

// health is what the database tells of itself, and how mail and push services fare.
type health struct {
	DatabaseBytes  int64            `json:"database_bytes"`
	Engine         string           `json:"database_engine"`
	EngineVersion  string           `json:"database_version"`
	Schema         int64            `json:"schema"`
	SchemaFloor    int64            `json:"schema_floor"`
	Rows           map[string]int64 `json:"rows"`
	Events         int64            `json:"events"`
	Waiting        map[string]int   `json:"waiting"`
	FailingDevices int              `json:"failing_devices"`
	LastSweepAt    *time.Time       `json:"last_sweep_at,omitempty"`
	Unwritable     idp.Unwritable   `json:"unwritable,omitempty"`
	Instances      []instance       `json:"instances,omitempty"`
	LogLag         *float64         `json:"log_lag_seconds,omitempty"` // nil: none can wait
	Mail           mail             `json:"mail"`
	Keys           []key            `json:"keys"`
	Push           []pushFigures    `json:"push"`
}

// instance is a process that serves the database, beside others.
type instance struct {
	ID         string     `json:"id"`
	Host       string     `json:"host"`
	Version    string     `json:"version"`
	StartedAt  *time.Time `json:"started_at"`
	HeardAt    *time.Time `json:"heard_at"`
	SchemaFrom int64      `json:"schema_from"`
	SchemaTo   int64      `json:"schema_to"`
}

// mail says how sending mail fares.
type mail struct {
	Waiting  int        `json:"waiting"`
	OldestAt *time.Time `json:"oldest_at,omitempty"`
	SentAt   *time.Time `json:"sent_at,omitempty"`
	GivenUp  int        `json:"given_up"`
	FailedAt *time.Time `json:"failed_at,omitempty"`
	Said     idp.Unsent `json:"said,omitempty"`
	Detail   string     `json:"detail,omitempty"`
}

// key is a signing key, without its private part.
type key struct {
	ID        idp.KeyID  `json:"id"`
	Alg       string     `json:"alg"`
	CreatedAt *time.Time `json:"created_at"`
	ActiveAt  *time.Time `json:"active_at"`
	RetiredAt *time.Time `json:"retired_at,omitempty"`
	GoneAt    *time.Time `json:"gone_at,omitempty"`
}

func (s *Server) health(w http.ResponseWriter, r *http.Request, by admin.By) error {
	if _, err := readQuery(r); err != nil {
		return err
	}
	h, err := s.conf.Desk.Health(r.Context(), by)
	if err != nil {
		return err
	}
	out := health{
		DatabaseBytes: h.Bytes, Engine: h.Engine, EngineVersion: h.EngineVersion, Schema: h.Schema, SchemaFloor: h.SchemaFloor, Rows: h.Rows, Events: h.Events, Waiting: h.Waiting, FailingDevices: h.Failing, LastSweepAt: moment(h.LastSweep), Unwritable: h.Unwritable, Push: []pushFigures{},
		Mail: mail{h.Mail.Waiting, moment(h.Mail.OldestAt), moment(h.Mail.SentAt), h.Mail.Lost, moment(h.Mail.FailedAt), h.Mail.Said, h.Mail.Detailed},
		Keys: each(h.Keys, func(k *idp.SigningKey) key {
			return key{k.ID, k.Alg, moment(k.CreatedAt), moment(k.ActiveAt), moment(k.RetiredAt), moment(k.GoneAt)}
		}),
	}
	if h.Shared {
		lag := h.Lag.Seconds()
		out.LogLag = &lag
		out.Instances = each(h.Instances, func(i *idp.Instance) instance {
			return instance{i.ID, i.Host, i.Version, moment(i.StartedAt), moment(i.HeardAt), i.SchemaFrom, i.SchemaTo}
		})
	}
	if s.conf.Push != nil {
		out.Push = each(s.conf.Push(), func(f *idp.PushFigures) pushFigures {
			return pushFigures{
				string(f.Type), f.Attempts, f.Delivered, f.Dead, f.Failed, f.Retried, f.Waiting, f.P50.Seconds(), f.P95.Seconds(),
				f.LastError, moment(f.LastAt), f.Alarm,
			}
		})
	}
	return s.answer(w, r, http.StatusOK, out)
}

// day is what happened on one day, in UTC.
type day struct {
	Day     string                `json:"day"`
	Done    map[idp.EventKind]int `json:"done"`
	Factors map[string]int        `json:"factors"`
}

// usualDays is how many days the list of days has by default.
const usualDays = 30

func (s *Server) days(w http.ResponseWriter, r *http.Request, by admin.By) error {
	q, err := readQuery(r, "days")
	if err != nil {
		return err
	}
	n, err := q.number("days", usualDays, admin.MaxDays)
	if err != nil {
		return err
	}
	all, err := s.conf.Desk.Days(r.Context(), by, n)
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, page[day]{Items: each(all, func(d *idp.Day) day {
		out := day{d.At.UTC().Format(time.DateOnly), d.Done, d.Factors}
		if out.Done == nil {
			out.Done = map[idp.EventKind]int{}
		}
		if out.Factors == nil {
			out.Factors = map[string]int{}
		}
		return out
	})})
}

func (s *Server) settings(w http.ResponseWriter, r *http.Request, by admin.By) error {
	if _, err := readQuery(r); err != nil {
		return err
	}
	all, err := s.conf.Desk.Settings(r.Context(), by)
	if err != nil {
		return err
	}
	// Numbers that nobody chooses are in the documentation.
	all = slices.DeleteFunc(all, func(one idp.Setting) bool { return one.From == idp.SettingBuiltIn })
	return s.answer(w, r, http.StatusOK, page[setting]{Items: each(all, func(one *idp.Setting) setting {
		return setting{one.Key, one.Value, one.Default, one.From, one.Place, one.Env}
	})})
}

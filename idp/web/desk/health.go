package desk

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"hilum/idp"
	"hilum/templates"
)

// health is how the provider fares.
type health struct {
	room
	desk interface {
		Figures
		Clients
	}
	push    func() []idp.PushFigures // as Config.Push
	version string                   // as Config.Version
}

// unwritableWords say why nothing can be written.
var unwritableWords = map[idp.Unwritable]string{
	idp.DiskFull: "health.unwritable.full", idp.DiskReadOnly: "health.unwritable.read-only",
	idp.DiskFailing: "health.unwritable.failing", idp.DiskStuck: "health.unwritable.stuck",
	idp.DatabaseAway: "health.unwritable.away",
}

// trendDays is how many days back the plots look.
const trendDays = 30

func (s *health) page(w http.ResponseWriter, r *http.Request, p staff) error {
	h, err := s.desk.Health(r.Context(), p.by)
	if err != nil {
		return err
	}
	days, err := s.desk.Days(r.Context(), p.by, trendDays)
	if err != nil {
		return err
	}
	now := s.door.Now()
	view := templates.AdminHealth{
		Frame: s.frame(r, p, "health"), Version: s.version, Size: sizeWords(h.Bytes), Engine: strings.TrimSpace(h.Engine + " " + h.EngineVersion), Tables: h.Schema, Events: int(h.Events), People: int(h.Rows["users"]), Devices: int(h.Rows["devices"]), SweptAt: h.LastSweep,
		Logins: upTo(h.Waiting["logins"]), Challenges: upTo(h.Waiting["challenges"]), Invitations: upTo(h.Waiting["invitations"]), Pairings: upTo(h.Waiting["pairings"]), Failing: upTo(h.Failing),
	}
	if h.Unwritable != "" {
		view.Unwritable = templates.Say(unwritableWords[h.Unwritable])
	}
	if h.Shared {
		view.Lag = h.Lag.Round(time.Millisecond).String()
	}
	for _, i := range h.Instances {
		view.Instances = append(view.Instances, templates.InstanceLine{ID: i.ID, Host: i.Host, Version: i.Version, Tables: i.SchemaFrom, StartedAt: i.StartedAt, HeardAt: i.HeardAt})
	}
	for i := range h.Keys {
		view.Keys = append(view.Keys, keyOf(&h.Keys[i], now))
	}
	if len(h.Logouts) > 0 {
		clients, err := s.desk.Clients(r.Context(), p.by)
		if err != nil {
			return err
		}
		for i := range h.Logouts {
			name := string(h.Logouts[i].Client)
			for k := range clients {
				if clients[k].ID == h.Logouts[i].Client {
					name = clients[k].Name
				}
			}
			view.Logouts = append(view.Logouts, logoutLine(name, &h.Logouts[i]))
		}
	}
	if s.mail {
		view.Mail = mailLine(&h.Mail)
	}
	if s.push != nil {
		for _, f := range s.push() {
			line := templates.PushLine{
				Service: serviceName(f.Type), Attempts: f.Attempts, Delivered: f.Delivered, Dead: f.Dead, Failed: f.Failed, Retried: f.Retried, Waiting: f.Waiting,
				P50: f.P50.Round(time.Millisecond).String(), P95: f.P95.Round(time.Millisecond).String(), LastError: f.LastError, LastAt: f.LastAt, Alarm: f.Alarm,
			}
			if done := f.Delivered + f.Dead + f.Failed; done > 0 {
				line.Rate = fmt.Sprintf("%d %%", f.Delivered*100/done)
			}
			view.Push = append(view.Push, line)
		}
	}
	view.Plots = trends(days)
	return s.door.Render(w, http.StatusOK, view)
}

func mailLine(f *idp.MailFigures) *templates.MailLine {
	l := &templates.MailLine{Waiting: upTo(f.Waiting), Lost: upTo(f.Lost), OldestAt: f.OldestAt, SentAt: f.SentAt, FailedAt: f.FailedAt, Detailed: f.Detailed}
	if key := unsentWords[f.Said]; key != "" {
		l.Said = templates.Say(key)
	}
	return l
}

// unsentWords say why a mail was not sent.
var unsentWords = map[idp.Unsent]string{
	idp.UnsentUnreachable: "unsent.unreachable",
	idp.UnsentTimeout:     "unsent.timeout",
	idp.UnsentCertificate: "unsent.certificate",
	idp.UnsentLogin:       "unsent.login",
	idp.UnsentLater:       "unsent.later",
	idp.UnsentRefused:     "unsent.refused",
	idp.UnsentAddress:     "unsent.address",
}

// serviceName is a kind of push service as the world calls it.
func serviceName(kind idp.PushType) string {
	switch kind {
	case idp.PushWeb:
		return "Web Push"
	case idp.PushFCM:
		return "Firebase Cloud Messaging"
	}
	return string(kind)
}

// upTo is a number that was counted to idp.CountUpTo: there, it may be more.
func upTo(n int) templates.Count { return templates.Count{N: n, More: n >= idp.CountUpTo} }

// sizeWords tells a number of bytes in kB, MB or GB, of 1000 each.
func sizeWords(bytes int64) templates.Message {
	switch {
	case bytes >= 1e9:
		return templates.Say("size.gb", "Size", float64(bytes)/1e9)
	case bytes >= 1e6:
		return templates.Say("size.mb", "Size", float64(bytes)/1e6)
	}
	return templates.Say("size.kb", "Size", int((bytes+999)/1000))
}

// keyOf says what a signing key is doing now.
func keyOf(k *idp.SigningKey, now time.Time) templates.KeyLine {
	line := templates.KeyLine{ID: string(k.ID), Alg: k.Alg, ActiveAt: k.ActiveAt, GoneAt: k.GoneAt}
	switch {
	case now.Before(k.ActiveAt):
		line.State = "next"
	case k.RetiredAt.IsZero() || now.Before(k.RetiredAt):
		line.State = "signs"
		line.Days = int(now.Sub(k.ActiveAt) / (24 * time.Hour))
	default:
		line.State = "retired"
	}
	return line
}

// series is one of several figures that are drawn on top of one another.
type series struct {
	class string // CSS class of its bars
	label templates.Message
	of    func(*idp.Day) int // the figure on a day
}

// kinds counts the events of these kinds on a day.
func kinds(list ...idp.EventKind) func(*idp.Day) int {
	return func(d *idp.Day) int {
		n := 0
		for _, k := range list {
			n += d.Done[k]
		}
		return n
	}
}

// factor counts the second factors of one kind on a day: "push", "code", "recovery".
func factor(name string) func(*idp.Day) int { return func(d *idp.Day) int { return d.Factors[name] } }

// trends draws how many sign-ins there were on each day, by which second factors, and what
// failed.
func trends(days []idp.Day) []templates.Plot {
	return []templates.Plot{
		plot(days, templates.Say("health.signins"), series{"a", templates.Say("event.login.done"), kinds(idp.EventLoginDone)}),
		plot(days, templates.Say("health.factors"), series{"a", templates.Say("health.push"), factor("push")}, series{"b", templates.Say("health.code"), factor("code")},
			series{"d", templates.Say("admin.recovery"), factor("recovery")}),
		plot(days, templates.Say("health.failures"), series{"a", templates.Say("event.login.password.wrong"), kinds(idp.EventPasswordWrong)}, series{"b", templates.Say("event.login.code.wrong"), kinds(idp.EventCodeWrong)},
			series{"c", templates.Say("event.phone.denied"), kinds(idp.EventPhoneDenied, idp.EventNotMe)}),
	}
}

// Sizes of a plot, in units of its view box.
const (
	plotHigh  = 120 // height of the plot
	plotStep  = 20  // width of a day
	plotBar   = 12  // width of the bar of a day
	plotFloor = 1   // least height of a part of it: what happened at all is seen
)

// plot draws a bar for each day, with the parts of all series on top of one another. The
// day on which most happened is as high as the plot.
func plot(days []idp.Day, title templates.Message, all ...series) templates.Plot {
	p := templates.Plot{Title: title, Width: max(1, len(days)) * plotStep, Height: plotHigh}
	sums := make([]int, len(all))
	for i := range days {
		day := 0
		for k := range all {
			n := all[k].of(&days[i])
			day, sums[k] = day+n, sums[k]+n
		}
		p.Most = max(p.Most, day)
	}
	for k := range all {
		p.Series = append(p.Series, templates.PlotSeries{Class: all[k].class, Label: all[k].label, Sum: sums[k]})
	}
	if len(days) > 0 {
		p.From, p.Until = days[0].At, days[len(days)-1].At
	}
	for i := range days {
		line := templates.PlotDay{At: days[i].At}
		high := make([]int, len(all))
		for k := range all {
			n := all[k].of(&days[i])
			line.Counts = append(line.Counts, n)
			if n > 0 {
				high[k] = max(plotFloor, n*plotHigh/p.Most)
			}
		}
		top := 0
		for _, h := range high {
			top += h
		}
		if top > plotHigh { // the highest makes room for those that are only just seen
			high[slices.Index(high, slices.Max(high))] -= top - plotHigh
		}
		top = plotHigh
		for k, h := range high {
			if top -= h; h > 0 {
				p.Bars = append(p.Bars, templates.PlotBar{Class: all[k].class, X: i*plotStep + (plotStep-plotBar)/2, Y: top, W: plotBar, H: h})
			}
		}
		p.Days = append(p.Days, line)
	}
	return p
}

package templates

import "time"

// What a page shows under more than one condition is said here, by name: a template asks
// for one thing at a time.

// Shown reports whether there is a tile to show.
func (t Tile) Shown() bool { return t.Icon != "" || t.Letter != "" }

// Beside reports whether there are pages beside this one of a list.
func (l List) Beside() bool { return l.Prev != "" || l.Next != "" }

// Beside reports whether there are pages beside this one of the log.
func (p AdminAudit) Beside() bool { return p.Prev != "" || p.Next != "" }

// Chooses reports whether there are languages to choose from.
func (p Profile) Chooses() bool { return len(p.Languages) > 1 }

// Beside reports whether there are pages beside this one of the person's own events.
func (p Activity) Beside() bool { return p.Prev != "" || p.Next != "" }

// Resendable reports whether the phones may be asked once more.
func (p Phones) Resendable() bool { return p.Resend && p.State != "approved" }

// Quiet reports whether a scan needs the hint that its phone shows no notifications.
func (s Scan) Quiet() bool { return s.Silent && !s.Tapped }

// Confirms reports whether the second factor is what makes a new password count.
func (p Factor) Confirms() bool { return p.NewPassword && p.Linked }

// Asks reports whether phones wait for an answer, or have approved.
func (p Factor) Asks() bool {
	return p.Phones != nil && (p.Phones.State == "asked" || p.Phones.State == "approved")
}

// Beside reports whether the code is one way of two: phones are asked, or can be.
func (p Factor) Beside() bool { return p.Asks() || p.Phones != nil && p.Phones.Resendable() }

// Types reports whether the field of the code has the focus.
func (p Factor) Types() bool {
	return (p.Phones == nil || p.OpenCode || p.Problem.Key != "") && !p.OpenRecovery
}

// Resets reports whether the link leads to a new password only.
func (p Invite) Resets() bool { return p.Purpose == "reset" || p.Purpose == "forgotten" }

// TypesShort reports whether the short code stands beside the secret: where it is not
// shown above it.
func (o Offer) TypesShort() bool { return o.Short != "" && !o.IPhone }

// Typed reports whether the name of the device is what somebody typed; else the page
// proposes one.
func (p Enrol) Typed() bool { return p.DeviceName != "" || p.Problem.Key != "" }

// Typed reports whether the name of the device is what somebody typed; else the page
// proposes one.
func (p Link) Typed() bool { return p.DeviceName != "" || p.Problem.Key != "" }

// Presents reports whether something of how the site presents itself is shown.
func (p AdminSettings) Presents() bool { return len(p.SiteLines) > 0 || p.Logoed }

// Nothing reports whether nothing is shown.
func (p AdminSettings) Nothing() bool { return len(p.Groups) == 0 && !p.Presents() }

// Choice reports whether the page offers other languages.
func (f Frame) Choice() bool { return f.Here != "" && len(f.Langs) > 1 }

// Helps reports whether the help line is shown: to who is not signed in.
func (f Frame) Helps() bool { return f.Help.Text != "" && f.User == "" }

// Tries reports whether a sign-in to the application can be tried.
func (p AdminApp) Tries() bool { return !p.App.Program && !p.App.Disabled }

// Acts reports whether anything can be done here.
func (p AdminDevice) Acts() bool { return p.MayUnlink || p.MayReopen || p.MayBlock }

// More reports whether what need not be told of somebody new is unfolded: some of it was,
// or is wrong.
func (p AdminPerson) More() bool {
	switch p.Wrong {
	case "", "username", "name", "email":
	default:
		return true
	}
	return p.GivenName+p.FamilyName+p.Phone+p.Locale+p.Roles+p.Groups+p.Person.Staff != ""
}

// Acts reports whether anything can be done here.
func (p AdminUser) Acts() bool {
	return p.MayEdit || p.MayInvite || p.MayReopen || p.MayReset || p.MayUnlock || p.MayBlock || p.MayEnd
}

// Stops reports whether the import can be stopped.
func (a AdminImporting) Stops() bool { return a.MayAdd && a.State != "stopping" }

// Adds reports whether the first application is what comes now.
func (p AdminStart) Adds() bool { return p.MayEdit && p.Now == 3 }

// Tries reports whether the first test sign-in is what comes now.
func (p AdminStart) Tries() bool { return p.MayEdit && p.Now == 4 }

// GoesOn reports whether the first steps go on from here.
func (p AdminTried) GoesOn() bool { return p.Start && p.OK }

// Faulty reports whether the problem is the reason that was typed.
func (a Ask) Faulty() bool { return a.Problem.Key != "" && a.Wrong != "via" }

// Span tells a duration in the largest unit in which it is whole; in days from two on.
func Span(d time.Duration) Message {
	in := func(unit time.Duration) int { return int(d / unit) }
	switch {
	case d >= 48*time.Hour && d%(24*time.Hour) == 0:
		return Say("span.days", "N", in(24*time.Hour))
	case d >= time.Hour && d%time.Hour == 0:
		return Say("span.hours", "N", in(time.Hour))
	case d >= time.Minute && d%time.Minute == 0:
		return Say("span.minutes", "N", in(time.Minute))
	}
	return Say("span.seconds", "N", int(d/time.Second))
}

package idp

import "time"

// Delivery is how something stands that waits to be delivered: what a mail and a
// notice have in common. It is claimed for one try by a lease, and then settled,
// put off, or given back. What each says of a try, and for how long it is tried,
// is its own.
type Delivery struct {
	NextAt    time.Time // of the next try; while somebody is at it, when another may
	Until     time.Time // then nobody tries any more
	Tries     int
	TriedAt   time.Time // zero: not yet
	SettledAt time.Time // zero while it waits
}

// Waits reports whether it is still to be delivered.
func (d *Delivery) Waits() bool { return d.SettledAt.IsZero() }

// claim takes it for one try, for the time of a lease. Errors: ErrSettled when it
// does not wait, is not due, or another has it.
func (d *Delivery) claim(lease time.Duration, now time.Time) error {
	if !d.Waits() || now.Before(d.NextAt) {
		return ErrSettled
	}
	d.Tries++
	d.TriedAt, d.NextAt = now, now.Add(lease)
	return nil
}

// under returns nil while it is at this try. Errors: ErrSettled when it does not
// wait, or another try has begun since.
func (d *Delivery) under(try int) error {
	if !d.Waits() || d.Tries != try {
		return ErrSettled
	}
	return nil
}

// BrokenOff gives it back, as if it had not been tried. Errors: ErrSettled when
// another try has begun since.
func (d *Delivery) BrokenOff(try int, now time.Time) error {
	if err := d.under(try); err != nil {
		return err
	}
	d.Tries--
	d.NextAt = now
	return nil
}

// putOff has it wait for another try: as long as waits say, of which the last
// repeats, or longer where the receiver asks for it, but never longer than the
// last. It reports false, and changes nothing, when that would be after Until.
func (d *Delivery) putOff(waits []time.Duration, asked time.Duration, now time.Time) bool {
	wait := waits[min(max(d.Tries, 1), len(waits))-1]
	next := now.Add(max(wait, min(asked, waits[len(waits)-1])))
	if next.After(d.Until) {
		return false
	}
	d.NextAt = next
	return true
}

// settle ends it: it is delivered, or given up.
func (d *Delivery) settle(now time.Time) { d.SettledAt, d.NextAt = now, time.Time{} }

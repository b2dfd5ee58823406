package idp

import "time"

// Delivery is the part that Mail and Notice have in common: how far delivering has
// come. It is claimed for one try by a lease, and then settled, put off, or given
// back. Why a try failed, and for how long it is tried, each says for itself.
type Delivery struct {
	NextAt    time.Time // of the next try; during a try the end of its lease, when another may begin
	Until     time.Time // no try is put off beyond it
	Tries     int
	TriedAt   time.Time // when the last try began; zero: none did
	SettledAt time.Time // zero while it waits
}

// Waits reports whether it is still to be delivered.
func (d *Delivery) Waits() bool { return d.SettledAt.IsZero() }

// Try is the number of the try that it was claimed for last.
func (d *Delivery) Try() int { return d.Tries }

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

// BrokenOff gives a delivery back, as if it had not been tried. Errors: ErrSettled
// when it does not wait, or another try has begun since.
func (d *Delivery) BrokenOff(try int, now time.Time) error {
	if err := d.under(try); err != nil {
		return err
	}
	d.Tries--
	d.NextAt = now
	return nil
}

// putOff has the delivery wait for another try: as long as waits say, of which the
// last repeats, or for the time asked, where the receiver asks for longer, but never
// longer than the last. It reports false, and changes nothing, when that would be
// after Until.
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

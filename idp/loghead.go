package idp

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// LogHead is where the audit log ends at a moment: the number of its last event
// and that event's hash. Whoever keeps one elsewhere can tell later whether the
// log still goes through it.
type LogHead struct {
	Seq  int64 // 0: there are no events
	Hash [32]byte
}

// String is the head as people keep it: the number, a colon, 64 hexadecimal digits.
func (h LogHead) String() string {
	return strconv.FormatInt(h.Seq, 10) + ":" + hex.EncodeToString(h.Hash[:])
}

// ParseLogHead is the other way of String. Errors: ErrInvalid.
func ParseLogHead(s string) (h LogHead, err error) {
	number, digits, _ := strings.Cut(strings.TrimSpace(s), ":")
	h.Seq, err = strconv.ParseInt(number, 10, 64)
	b, err2 := hex.DecodeString(digits)
	if err != nil || err2 != nil || h.Seq < 0 || len(b) != len(h.Hash) {
		return LogHead{}, fmt.Errorf("%q is no head of a log, which is a number, a colon and 64 hexadecimal digits: %w", s, ErrInvalid)
	}
	copy(h.Hash[:], b)
	return h, nil
}

// LogCheck is what a walk through the whole audit log has found.
type LogCheck struct {
	Head LogHead // up to where it is whole
	// Begin is the event that the log begins behind: it and those before were deleted when
	// their time was up. BeginFault is what was first found wrong with them then; empty: nothing.
	Begin      LogHead
	BeginFault string
	// Keyed is the first event that was chained with the key as it was written.
	// Those before were taken as they were found when the key came.
	Keyed int64
	// Told are the events by which the log itself says that something was wrong
	// with it once: it was put back, or cut, or had been changed before the key came.
	Told []Event
	// Kept is the newest head that was kept outside the database, and KeptAt when;
	// a zero KeptAt: there was none to compare with.
	Kept   LogHead
	KeptAt time.Time
}

// Compares reports whether the log could be compared with a head that somebody kept: it has to
// begin no later.
func (c *LogCheck) Compares(h LogHead) bool { return h.Seq == 0 || h.Seq >= c.Begin.Seq }

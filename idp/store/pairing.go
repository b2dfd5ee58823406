package store

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"hilum/idp"
)

type pairingRow struct {
	ID                            string `gorm:"primaryKey"`
	UserID                        string
	Account                       string
	Browser                       []byte
	SealedTOTP                    []byte `gorm:"column:sealed_totp"`
	WrongCodes                    int
	CreatedAt                     int64 `gorm:"autoCreateTime:false"`
	ExpiresAt                     int64
	UsedAt                        int64
	Code, SealedCode, SealedShort []byte
	ShortTries                    int
	Rival                         bool
	Enrol                         bool
	ClaimID, Claim                string
	ChallengeID                   string
	TappedAt                      int64
	SessionID                     string
	MAC                           []byte
}

func (pairingRow) TableName() string { return "pairings" }

func pairingRowOf(p *idp.Pairing) *pairingRow {
	row := &pairingRow{
		ID: string(p.ID), UserID: string(p.User), Account: p.Account, Browser: p.Browser[:], SealedTOTP: blob(p.SealedTOTP),
		WrongCodes: p.WrongCodes, CreatedAt: micros(p.CreatedAt), ExpiresAt: micros(p.ExpiresAt), UsedAt: micros(p.UsedAt),
		Code: []byte{}, SealedCode: blob(p.SealedCode), SealedShort: blob(p.SealedShort), ShortTries: p.ShortTries, Enrol: p.Enrol, Rival: p.Rival,
		ChallengeID: string(p.Challenge), TappedAt: micros(p.TappedAt),
		SessionID: string(p.Session),
	}
	if !p.Code.IsZero() {
		row.Code = p.Code[:]
	}
	if p.Claim != nil {
		row.ClaimID, row.Claim = string(p.Claim.ID), claimText(p.Claim)
	}
	return row
}

// claimText is a phone that is not linked yet as it is stored: JSON.
func claimText(d *idp.Device) string {
	b, err := json.Marshal(deviceRowOf(d))
	if err != nil {
		panic(err) // strings, numbers and bytes always encode
	}
	return string(b)
}

func claimOf(text string) (*idp.Device, error) {
	var row deviceRow
	if err := json.Unmarshal([]byte(text), &row); err != nil {
		return nil, fmt.Errorf("a claim is kept wrongly: %w", err)
	}
	d := row.device()
	return &d, nil
}

func (r *pairingRow) pairing() (*idp.Pairing, error) {
	h, err := hash(r.Browser)
	p := &idp.Pairing{
		ID: idp.PairingID(r.ID), User: idp.UserID(r.UserID), Account: r.Account, Browser: h, SealedTOTP: r.SealedTOTP,
		WrongCodes: r.WrongCodes, CreatedAt: moment(r.CreatedAt), ExpiresAt: moment(r.ExpiresAt), UsedAt: moment(r.UsedAt),
		SealedCode: some(r.SealedCode), SealedShort: some(r.SealedShort), ShortTries: r.ShortTries, Enrol: r.Enrol, Rival: r.Rival,
		Challenge: idp.ChallengeID(r.ChallengeID), TappedAt: moment(r.TappedAt),
		Session: idp.SessionID(r.SessionID),
	}
	if len(r.Code) > 0 {
		var also error
		p.Code, also = hash(r.Code)
		err = errors.Join(err, also)
	}
	if r.Claim != "" {
		var also error
		p.Claim, also = claimOf(r.Claim)
		err = errors.Join(err, also)
	}
	return p, err
}

// pairingWhere reads an offer, and asks whether the session that shows it still lives:
// whoever scanned it links nothing once that has ended, by its own time too. Errors:
// idp.ErrNotFound, also for one that does not fit.
func (s *session) pairingWhere(condition string, key any) (*idp.Pairing, error) {
	var row pairingRow
	if err := s.ORM().Take(&row, condition, key).Error; err != nil {
		return nil, fmt.Errorf("pairing: %w", s.Translate(err))
	}
	if err := s.fits(&row, idp.UserID(row.UserID)); err != nil {
		return nil, err
	}
	p, err := row.pairing()
	if err != nil || p.Session == "" || !p.UsedAt.IsZero() {
		return p, err
	}
	err = within(s, idp.Within{Session: p.Session}, p.User, s.now())
	if p.Ended = errors.Is(err, idp.ErrExpired); p.Ended {
		err = nil
	}
	return p, err
}

func (s *session) pairingOf(id idp.PairingID) (*idp.Pairing, error) {
	return s.pairingWhere("id = ?", string(id))
}

// putPairing writes a pairing back. Errors: idp.ErrSettled when it was used before.
func (t *tx) putPairing(id idp.PairingID, p *idp.Pairing) error {
	row := pairingRowOf(p)
	row.ID = string(id)
	if err := t.bind(row); err != nil {
		return err
	}
	r := t.ORM().Select("*").Where("id = ? AND used_at = 0", row.ID).Updates(row)
	if r.Error != nil {
		return r.Error
	}
	if r.RowsAffected == 0 {
		return fmt.Errorf("pairing %s: %w", id, idp.ErrSettled)
	}
	return t.note(p.Take()...)
}

// AddPairing inserts a pairing in place of the open one of its person or, while there is
// no account yet, of its browser. Errors: idp.ErrExpired when the session that is to show
// it no longer lives, idp.ErrStale.
func (db *DB) AddPairing(ctx context.Context, p *idp.Pairing) error {
	row, events := pairingRowOf(p), p.Take()
	return db.write(ctx, func(t *tx) error {
		whose := ofPerson(p.User)
		if p.User == "" {
			whose = ofThing("browser", hex.EncodeToString(p.Browser[:]))
		}
		if err := t.hold(whose); err != nil {
			return err
		}
		if err := within(t, idp.Within{Session: p.Session, Fresh: true}, p.User, t.now()); err != nil {
			return err
		}
		old := t.ORM().Where("used_at = 0 AND user_id = ?", row.UserID)
		if row.UserID == "" {
			old = old.Where("browser = ?", row.Browser)
		}
		if err := errors.Join(old.Delete(&pairingRow{}).Error, t.bind(row)); err != nil {
			return err
		}
		if err := t.ORM().Create(row).Error; err != nil {
			return fmt.Errorf("pairing %s: %w", p.ID, t.Translate(err))
		}
		return t.note(events...)
	})
}

// Pairing returns a pairing, open or not. Errors: idp.ErrNotFound.
func (db *DB) Pairing(ctx context.Context, id idp.PairingID) (*idp.Pairing, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	return r.pairingOf(id)
}

// PairingByCode returns a pairing by the code in its QR code. Errors: idp.ErrNotFound.
func (db *DB) PairingByCode(ctx context.Context, code idp.TokenHash) (*idp.Pairing, error) {
	return db.pairingWhere(ctx, "code = ?", code[:])
}

// OpenPairing returns the open pairing of a person, by sign-in name, or of the account of
// that name that is being made. Errors: idp.ErrNotFound.
func (db *DB) OpenPairing(ctx context.Context, account string) (*idp.Pairing, error) {
	return db.pairingWhere(ctx, "account = ? AND used_at = 0", account)
}

func (db *DB) pairingWhere(ctx context.Context, condition string, key any) (*idp.Pairing, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	return r.pairingWhere(condition, key)
}

// ClaimPairing changes a pairing together with the challenge that fn makes for the phone
// that claims it. Errors: idp.ErrNotFound, idp.ErrSettled, idp.ErrReplayed.
func (db *DB) ClaimPairing(ctx context.Context, id idp.PairingID, seen idp.Replay, fn func(*idp.Pairing) (*idp.Challenge, error)) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.holdOwner("SELECT user_id FROM pairings WHERE id = ?", []any{string(id)}, ofPairing(id)); err != nil {
			return err
		}
		p, err := t.pairingOf(id)
		if err != nil {
			return err
		}
		if err := t.ours(p.User); err != nil {
			return err
		}
		if err := t.see(seen); err != nil {
			return err
		}
		c, err := fn(p)
		if err != nil {
			return err
		}
		if c != nil {
			if err := t.addChallenge(c); err != nil {
				return err
			}
		}
		if c != nil && p.Claim != nil {
			// However the offer ends, the phone that has claimed it is told so, unless it is
			// linked: a device goes before what is buried of it.
			claim := idp.Device{ID: p.Claim.ID, User: p.User, PublicKey: p.Claim.PublicKey, UVKey: p.Claim.UVKey}
			if err := t.bury(&claim, t.now()); err != nil {
				return err
			}
		}
		return t.putPairing(id, p)
	})
}

// UpdatePairing changes a pairing and inserts the device that fn returns, if any. Errors:
// idp.ErrNotFound, idp.ErrSettled, idp.ErrConflict for a sixth device.
func (db *DB) UpdatePairing(ctx context.Context, id idp.PairingID, fn func(*idp.Pairing) (*idp.Device, error)) error {
	var whose idp.UserID // the device's, where the offer is nobody's: known once fn has made it
	return db.write(ctx, func(t *tx) error {
		if whose != "" {
			if err := t.hold(ofPerson(whose)); err != nil {
				return err
			}
		}
		if err := t.holdOwner("SELECT user_id FROM pairings WHERE id = ?", []any{string(id)}, ofPairing(id)); err != nil {
			return err
		}
		p, err := t.pairingOf(id)
		if err != nil {
			return err
		}
		if err := t.ours(p.User); err != nil {
			return err
		}
		d, err := fn(p)
		if err != nil {
			return err
		}
		if err := t.putPairing(id, p); err != nil {
			return err
		}
		if d != nil {
			whose = d.User // held from the beginning, if it has to run again
			return t.addDevice(d)
		}
		return nil
	})
}

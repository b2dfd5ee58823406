package store

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"hilum/idp"
	"hilum/idp/text"
)

const (
	siteColumns = "id, name, label, accent, languages, language, logo, logo_dark, logo_named, help, help_link"
	selectSite  = "SELECT " + siteColumns + ", (SELECT n FROM revisions WHERE name = 'site') FROM site WHERE id = 1"

	selectPicture = "SELECT png, width, height FROM pictures WHERE id = ?"
	insertPicture = "INSERT INTO pictures (id, png, width, height) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
	deleteLoose   = `DELETE FROM pictures WHERE id NOT IN (SELECT icon FROM clients)
		AND id NOT IN (SELECT logo FROM site) AND id NOT IN (SELECT logo_dark FROM site)`
)

var updateSite = updateRow("site", siteColumns)

type siteRow struct {
	ID                                       int64
	Name, Label, Accent, Languages, Language string
	Logo, LogoDark                           string
	LogoNamed                                bool
	Help, HelpLink                           string
}

func (r *siteRow) fields() []any {
	return []any{&r.ID, &r.Name, &r.Label, &r.Accent, &r.Languages, &r.Language, &r.Logo, &r.LogoDark, &r.LogoNamed, &r.Help, &r.HelpLink}
}

func siteRowOf(s *idp.Site) *siteRow {
	return &siteRow{
		ID: 1, Name: text.NFC(s.Name), Label: text.NFC(s.Label), Accent: s.Accent, Languages: listText(s.Languages), Language: s.Language,
		Logo: string(s.Logo), LogoDark: string(s.LogoDark), LogoNamed: s.LogoNamed, Help: text.NFC(s.Help), HelpLink: s.HelpLink,
	}
}

func (r *siteRow) site() (*idp.Site, error) {
	languages, err := textList(r.Languages)
	return &idp.Site{
		Name: text.NFC(r.Name), Label: text.NFC(r.Label), Accent: r.Accent, Languages: languages, Language: r.Language,
		Logo: idp.PictureID(r.Logo), LogoDark: idp.PictureID(r.LogoDark), LogoNamed: r.LogoNamed, Help: text.NFC(r.Help), HelpLink: r.HelpLink,
	}, err
}

// siteCache serves the site from memory, as clientCache serves clients: every page shows
// it.
type siteCache struct {
	loading sync.Mutex
	kept    atomic.Pointer[keptSite]
}

type keptSite struct {
	revision int64
	site     *idp.Site
}

func siteOf(s statements) (*keptSite, error) {
	var row siteRow
	k := &keptSite{}
	if err := s.Row(selectSite, nil, append(row.fields(), &k.revision)...); err != nil {
		return nil, fmt.Errorf("site: %w", err)
	}
	var err error
	k.site, err = row.site()
	return k, err
}

// Site returns what the administration has saved of the site, from memory; it must not be
// changed.
func (db *DB) Site(ctx context.Context) (*idp.Site, error) {
	if k := db.site.kept.Load(); k != nil {
		return k.site, nil
	}
	db.site.loading.Lock()
	defer db.site.loading.Unlock()
	if k := db.site.kept.Load(); k != nil {
		return k.site, nil
	}
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	k, err := siteOf(r)
	if err != nil {
		return nil, err
	}
	db.site.kept.Store(k)
	return k.site, nil
}

// SavedSite is Site as it is in the database now: whoever looks may have saved it a moment ago,
// at another instance.
func (db *DB) SavedSite(ctx context.Context) (*idp.Site, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	k, err := siteOf(r)
	if err != nil {
		return nil, err
	}
	db.dropSite(k.revision)
	return k.site, nil
}

// dropSite forgets the copy in memory, if it is of another revision.
func (db *DB) dropSite(revision int64) {
	db.site.loading.Lock() // a load under way would put back what it read before
	defer db.site.loading.Unlock()
	if k := db.site.kept.Load(); k != nil && k.revision != revision {
		db.site.kept.Store(nil)
	}
}

// UpdateSite changes the site, with the pictures that it shows from now on; pictures that
// nothing shows any more are deleted.
func (db *DB) UpdateSite(ctx context.Context, fn func(*idp.Site) error, pictures ...*idp.Picture) error {
	var revision int64
	err := db.write(ctx, func(t *tx) error {
		if err := t.hold(holdSite); err != nil {
			return err
		}
		k, err := siteOf(t)
		if err != nil {
			return err
		}
		revision = k.revision + 1
		if err := fn(k.site); err != nil {
			return err
		}
		if err := t.putPictures(pictures...); err != nil {
			return err
		}
		if err := t.update(updateSite, siteRowOf(k.site).fields()); err != nil {
			return err
		}
		if err := t.put(deleteLoose); err != nil {
			return err
		}
		if err := t.put("UPDATE revisions SET n = ? WHERE name = 'site'", revision); err != nil {
			return err
		}
		return t.note(k.site.Take()...)
	})
	if err != nil {
		return err
	}
	db.dropSite(revision)
	db.Hint(hintWatch)
	return nil
}

func (t *tx) putPictures(pictures ...*idp.Picture) error {
	for _, p := range pictures {
		if err := t.put(insertPicture, string(p.ID), p.PNG, p.Width, p.Height); err != nil {
			return err
		}
	}
	return nil
}

// Picture returns a picture that the site or an application shows. Errors:
// idp.ErrNotFound.
func (db *DB) Picture(ctx context.Context, id idp.PictureID) (*idp.Picture, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	p := &idp.Picture{ID: id}
	var width, height int64
	if err := r.Row(selectPicture, []any{string(id)}, &p.PNG, &width, &height); err != nil {
		return nil, fmt.Errorf("picture %s: %w", id, err)
	}
	p.Width, p.Height = int(width), int(height)
	return p, nil
}

// SetIcon gives an application its icon; nil takes it away. Errors: idp.ErrNotFound.
func (db *DB) SetIcon(ctx context.Context, id idp.ClientID, icon *idp.Picture, e idp.Event) error {
	return db.changeClients(ctx, func(t *tx) error {
		picture := ""
		if icon != nil {
			picture = string(icon.ID)
			if err := t.putPictures(icon); err != nil {
				return err
			}
		}
		n, err := t.Exec("UPDATE clients SET icon = ?, updated_at = ? WHERE id = ?", picture, micros(db.at(e)), string(id))
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("client %s: %w", id, idp.ErrNotFound)
		}
		if err := t.put(deleteLoose); err != nil {
			return err
		}
		return t.note(e)
	})
}

const selectIssuer = "SELECT issuer FROM site WHERE id = 1"

// NoteIssuer keeps the issuer that the provider is started with, and returns the one of
// before where that was another, with an event that says so; empty: it is the same, or the
// first.
func (db *DB) NoteIssuer(ctx context.Context, issuer string) (was string, err error) {
	r, err := db.read(ctx)
	if err != nil {
		return "", err
	}
	if err := r.Row(selectIssuer, nil, &was); err != nil || was == issuer {
		return "", err
	}
	err = db.write(ctx, func(t *tx) error {
		if err := t.hold(holdSite); err != nil {
			return err
		}
		if err := t.Row(selectIssuer, nil, &was); err != nil {
			return err
		}
		if was == issuer { // another start was quicker
			was = ""
			return nil
		}
		if err := t.put("UPDATE site SET issuer = ? WHERE id = 1", issuer); err != nil || was == "" {
			return err
		}
		return t.note(idp.Event{
			At: t.now(), Kind: idp.EventSettingChanged, Actor: idp.Actor{Name: "provider"},
			Detail: map[string]string{"setting": "issuer", "from": was, "to": issuer},
		})
	})
	return was, err
}

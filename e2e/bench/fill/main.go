// Command fill puts people or grants into the data folder of a provider that does not run, and
// prints on the standard output as JSON what they are used by. It is a program of its own so
// that it can be built of another commit, whose tables and seals its provider knows.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"hilum/e2e/crowd"
	"hilum/idp"
	"hilum/idp/store"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "fill:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var (
		home    crowd.Home
		clients string
		people  string
		n, keep int
	)
	f := flag.NewFlagSet("fill", flag.ContinueOnError)
	f.StringVar(&home.Folder, "folder", "", "data folder")
	f.StringVar(&home.URL, "url", "", "PostgreSQL database; empty: a file in the folder")
	f.StringVar(&people, "people", "", "whose sessions get grants, with commas; empty: people are added")
	f.StringVar(&clients, "clients", "", "applications that get grants in turn, with commas")
	f.IntVar(&n, "n", 0, "how many people or grants")
	f.IntVar(&keep, "keep", 0, "of how many grants of each application the tokens are printed")
	if err := f.Parse(args); err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	if people == "" {
		all, err := crowd.Fill(ctx, home, "p", n, crowd.Least)
		if err != nil {
			return err
		}
		return out.Encode(all)
	}
	tokens, err := grants(ctx, home, strings.Split(people, ","), strings.Split(clients, ","), n, keep)
	if err != nil {
		return err
	}
	return out.Encode(tokens)
}

// tokens are those of a grant.
type tokens struct {
	Client  string `json:"client"`
	Access  string `json:"access"`
	Refresh string `json:"refresh"`
}

// atOnce is how many grants are added at the same time: the store commits those together that
// wait together.
const atOnce = 512

// life is that of all tokens: longer than any measurement.
const life = 24 * time.Hour

// grants adds n, an equal part to the newest session of each person. Those of which it returns
// the tokens lie evenly among all.
func grants(ctx context.Context, home crowd.Home, people, clients []string, n, keep int) (kept []tokens, err error) {
	db, _, err := home.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	now := time.Now()
	sessions := make([]idp.Session, len(people))
	for i, name := range people {
		account, err := db.AccountByName(ctx, name)
		if err != nil {
			return nil, err
		}
		live, err := db.Sessions(ctx, account.User.ID, now)
		if err != nil {
			return nil, err
		}
		if len(live) == 0 {
			return nil, fmt.Errorf("%s has no session", name)
		}
		sessions[i] = live[0]
	}
	all, errs := make([]tokens, n), make([]error, min(n, atOnce))
	var wg sync.WaitGroup
	for w := range errs {
		wg.Go(func() { // ends with its part of the grants
			for i := w; i < n && errs[w] == nil; i += len(errs) {
				all[i], errs[w] = grant(ctx, db, &sessions[i%len(sessions)], clients[i%len(clients)], now)
			}
		})
	}
	wg.Wait()
	every := max(1, n/max(1, keep*len(clients)))
	for i := 0; i < n; i += every * len(clients) {
		kept = append(kept, all[i:min(n, i+len(clients))]...)
	}
	return kept, errors.Join(errs...)
}

func grant(ctx context.Context, db *store.DB, s *idp.Session, client string, now time.Time) (tokens, error) {
	access, refresh, ends := idp.NewToken(), idp.NewToken(), now.Add(life)
	g := &idp.Grant{
		ID: idp.NewID[idp.GrantID](), Client: idp.ClientID(client), User: s.User, Session: s.ID, Scopes: []string{"openid", "profile", "email"},
		Nonce: "a nonce of some length", ACR: s.ACR, AMR: s.AMR, AuthTime: s.AuthTime, CreatedAt: now, ExpiresAt: ends,
	}
	issue := idp.Issue{
		Access:  idp.AccessToken{Hash: access.Hash(), Grant: g.ID, Scopes: g.Scopes, Audience: []string{client}, IssuedAt: now, ExpiresAt: ends},
		Refresh: &idp.RefreshToken{Hash: refresh.Hash(), Grant: g.ID, Scopes: g.Scopes, IssuedAt: now, ExpiresAt: ends},
	}
	return tokens{client, access.Reveal(), refresh.Reveal()}, db.AddTokens(ctx, g, issue)
}

package store

import (
	"cmp"
	"context"
	"time"

	"hilum/idp"
)

// watchEvery is how late, at worst, a change by another process is seen.
const watchEvery = 500 * time.Millisecond

const selectRevisions = "SELECT max(CASE name WHEN 'clients' THEN n END), max(CASE name WHEN 'site' THEN n END) FROM revisions"

// Watch drops what is served from memory when another process, such as a command beside
// the server or another instance, has changed it, and hands the topics that it has relayed
// (Relay) to heard. It looks every watchEvery, and when a hint says that there is something.
// While nothing can be written it probes whether it can again. It returns when ctx ends.
func (db *DB) Watch(ctx context.Context, heard func(...idp.Topic)) {
	tick := time.NewTicker(cmp.Or(db.conf.watch, watchEvery))
	defer tick.Stop()
	failing := false
	// What was relayed before is heard too: it may be of the moment in which the
	// provider started, and a wake-up too many costs a look.
	relayed := int64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-db.hints.watch:
		}
		err := db.look(ctx)
		if err == nil {
			var topics []idp.Topic
			if topics, relayed, err = db.relayed(ctx, relayed); len(topics) > 0 {
				heard(topics...)
			}
		}
		if err != nil && !failing && ctx.Err() == nil {
			db.conf.Log.Error("changes by other processes cannot be seen", "error", err)
		}
		failing = err != nil
		if db.disk.failing() {
			_, _ = db.disk.look() // it may be over: the probe says so itself
		}
	}
}

func (db *DB) look(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var clients, site int64
	if err := db.reader.Row(selectRevisions, nil, &clients, &site); err != nil {
		return err
	}
	db.dropClients(clients)
	db.dropSite(site)
	return nil
}

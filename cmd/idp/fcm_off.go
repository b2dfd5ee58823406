//go:build nofcm

package main

import (
	"context"
	"errors"
	"fmt"

	"hilum/config"
	"hilum/idp"
	"hilum/idp/file"
	"hilum/idp/push"
)

// hasFCM says that this program was built without Firebase Cloud Messaging.
const hasFCM = false

// openFCM fails: there is none.
func openFCM(context.Context, config.FCM, *file.Watcher, push.Words) (push.Channel, error) {
	return nil, errors.New(noFCM) // checkFCM has told before
}

// acceptableFCM returns an idp.ErrInvalid for every address.
func acceptableFCM(idp.PushAddress) error { return fmt.Errorf("%s: %w", noFCM, idp.ErrInvalid) }

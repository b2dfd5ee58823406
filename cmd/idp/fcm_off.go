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

const hasFCM = false

func openFCM(context.Context, config.FCM, *file.Watcher, push.Words) (push.Channel, error) {
	return nil, errors.New(noFCM) // checkFCM has told before
}

func acceptableFCM(idp.PushAddress) error { return fmt.Errorf("%s: %w", noFCM, idp.ErrInvalid) }

//go:build nofcm

package main

import (
	"context"
	"fmt"

	"hilum/config"
	"hilum/idp"
	"hilum/idp/file"
	"hilum/idp/push"
)

const hasFCM = false

func openFCM(context.Context, config.FCM, *file.Watcher) (push.Channel, error) {
	return nil, &config.Fault{Key: "push.fcm", Problem: noFCM}
}

func acceptableFCM(idp.PushAddress) error { return fmt.Errorf("%s: %w", noFCM, idp.ErrInvalid) }

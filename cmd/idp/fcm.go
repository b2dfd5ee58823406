//go:build !nofcm

package main

import (
	"context"

	"hilum/config"
	"hilum/idp"
	"hilum/idp/file"
	"hilum/idp/push"
	"hilum/idp/push/fcm"
)

// hasFCM says that this program can reach phones by Firebase Cloud Messaging. The build
// tag nofcm leaves that out, and with it nearly half of the program (fcm_off.go).
const hasFCM = true

// openFCM makes the way to phones by Firebase Cloud Messaging. Errors: as fcm.New.
func openFCM(ctx context.Context, f config.FCM, files *file.Watcher, words push.Words) (push.Channel, error) {
	return fcm.New(ctx, fcm.Config{CredentialsFile: f.CredentialsFile, ProjectID: f.ProjectID, Endpoint: f.Endpoint, Words: words, Files: files})
}

// acceptableFCM returns nil for an address of Firebase Cloud Messaging that can be one,
// else an idp.ErrInvalid.
func acceptableFCM(a idp.PushAddress) error { return fcm.Acceptable(a) }

package main

import (
	"io"
	"log/slog"

	"hilum/config"
)

var levels = map[string]slog.Level{
	"debug": slog.LevelDebug,
	"info":  slog.LevelInfo,
	"warn":  slog.LevelWarn,
	"error": slog.LevelError,
}

// newLog is the provider's log as configured; any level that is not known is off.
func newLog(c config.Log, w io.Writer) *slog.Logger {
	level, on := levels[c.Level]
	options := &slog.HandlerOptions{Level: level}
	switch {
	case !on:
		return slog.New(slog.DiscardHandler)
	case c.Format == "json":
		return slog.New(slog.NewJSONHandler(w, options))
	default:
		return slog.New(slog.NewTextHandler(w, options))
	}
}

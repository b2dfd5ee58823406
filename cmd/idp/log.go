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

// newLog is the provider's log as configured; any level that is not known is
// off. Libraries that log by themselves get to say warnings and errors in it.
func newLog(c config.Log, w io.Writer) *slog.Logger {
	libraries := c
	if level, on := levels[c.Level]; on && level < slog.LevelWarn {
		libraries.Level = "warn"
	}
	slog.SetDefault(logAt(libraries, w))
	return logAt(c, w)
}

func logAt(c config.Log, w io.Writer) *slog.Logger {
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

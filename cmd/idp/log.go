package main

import (
	"io"
	"log/slog"

	"hilum/config"
)

// levels are the values of log.level but "off".
var levels = map[string]slog.Level{
	"debug": slog.LevelDebug,
	"info":  slog.LevelInfo,
	"warn":  slog.LevelWarn,
	"error": slog.LevelError,
}

// newLog returns the provider's log as configured; any level that is not known is off.
// It also sets the default of slog, by which libraries log by themselves: of theirs it
// has warnings and errors only.
func newLog(c config.Log, w io.Writer) *slog.Logger {
	libraries := c
	if level, on := levels[c.Level]; on && level < slog.LevelWarn {
		libraries.Level = "warn"
	}
	slog.SetDefault(logAt(libraries, w))
	return logAt(c, w)
}

// logAt returns a log that writes to w, as text unless c says json.
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

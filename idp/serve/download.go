package serve

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"
)

// downloadPiece is how long the other end may take to read one piece of a long
// answer.
const downloadPiece = 30 * time.Second

// Download sends a long answer as write makes it. What fails before anything was
// sent is returned, for the door to answer. Later it is logged and the connection
// breaks (a panic with http.ErrAbortHandler), so that nobody takes half of an
// answer for all of it. What was written is sent first: clients ask a second time,
// by themselves, where a connection ends without a byte.
func Download(w http.ResponseWriter, r *http.Request, log *slog.Logger, write func(io.Writer) error) error {
	out := &patient{w: w, control: http.NewResponseController(w)}
	err := write(out)
	if err == nil || !out.begun {
		return err
	}
	if r.Context().Err() == nil {
		log.LogAttrs(r.Context(), slog.LevelError, "download broken off",
			slog.String("request", From(r.Context()).ID), slog.String("path", r.URL.Path), slog.Any("error", err))
	}
	_ = out.control.Flush()
	panic(http.ErrAbortHandler)
}

// patient is a writer that gives each piece of an answer a write deadline of its own,
// in place of the server's for the whole answer.
type patient struct {
	w       io.Writer
	control *http.ResponseController
	begun   bool
}

func (p *patient) Write(b []byte) (int, error) {
	p.begun = true
	if err := p.control.SetWriteDeadline(time.Now().Add(downloadPiece)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return p.w.Write(b)
}

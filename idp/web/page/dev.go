package page

import (
	"bytes"
	"io"
	"net/http"

	"hilum/static/source"
)

// Built with the tag dev, pages load themselves anew when one of their files changes;
// of all this nothing is in a program that is built without it.

const (
	reloadPath = "/dev/reload.js"
	stampPath  = "/dev/stamp"
)

// reloadScript asks again and again whether a file has changed, and loads the page anew
// when one has: also when the program was away in between.
const reloadScript = `'use strict'
const made = document.currentScript.dataset.stamp
setInterval(async () => {
  try {
    const now = await (await fetch('` + stampPath + `', { cache: 'no-store' })).text()
    if (now && now !== made) location.reload()
  } catch {}
}, 300)
`

// developing are the pages of a program that was built with the tag dev; else none.
func (d *Door) developing() []Route {
	if !source.Live {
		return nil
	}
	send := func(kind string, text func() string) Handler {
		return func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Content-Type", kind)
			_, err := io.WriteString(w, text())
			return err
		}
	}
	return []Route{
		{Pattern: "GET " + reloadPath, Who: d.Anyone(send("text/javascript; charset=utf-8", func() string { return reloadScript })), Quiet: true},
		{Pattern: "GET " + stampPath, Who: d.Anyone(send("text/plain; charset=utf-8", source.Stamp)), Quiet: true},
	}
}

// reloading puts the script that loads it anew into a page, with the stamp of the files
// that it was made of.
func reloading(page *bytes.Buffer) {
	if !source.Live {
		return
	}
	whole := bytes.Replace(page.Bytes(), []byte("</head>"), []byte(`<script src="`+reloadPath+`" data-stamp="`+source.Stamp()+`" defer></script></head>`), 1)
	page.Reset()
	page.Write(whole)
}

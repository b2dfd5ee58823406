package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// controls is script that the checks share. What is behind an open dialog is none of a
// page's controls: shown lists those that can be seen and used, fits what is wrong with where
// they are, ring whether a control shows its focus.
const controls = `
	const root = document.querySelector("dialog:modal") ?? document.body
	const shown = () => [...root.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]")].filter(e =>
		e.checkVisibility({ visibilityProperty: true }) && !e.disabled && !e.closest("[inert]") && e.tabIndex >= 0)
	const name = e => e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") + " «" + (e.innerText || e.ariaLabel || e.name || "").trim().replace(/\s+/g, " ").slice(0, 30) + "»"
	const scrolls = e => {
		for (let p = e.parentElement; p && p !== document.body; p = p.parentElement) if (/auto|scroll/.test(getComputedStyle(p).overflowX)) return true
		return false
	}
	const floats = e => { if (e.closest(".menu")) return true; for (let p = e; p; p = p.parentElement) if (/fixed|sticky/.test(getComputedStyle(p).position)) return true; return false }
	const fits = () => {
		const faults = [], wide = document.documentElement.scrollWidth - innerWidth
		if (wide > 0) faults.push("the page scrolls sideways by " + wide + ": " + [...document.body.querySelectorAll("*")].filter(e => e.getBoundingClientRect().right > innerWidth && !scrolls(e)).slice(-3).map(name))
		const boxes = []
		for (const e of shown()) {
			if (e.closest("tbody tr:nth-child(n+4)")) continue // rows are alike
			const r = e.getBoundingClientRect(), style = getComputedStyle(e)
			if (r.width < 2 || r.height < 2 || style.clipPath !== "none" || r.bottom + scrollY < 0) continue // for screen readers, or until it has the focus
			if (scrolls(e)) continue
			if (r.left < -1 || r.right > innerWidth + 1) faults.push(name(e) + " is out of the page")
			if (e.matches("button, a, summary") && (e.scrollWidth > e.clientWidth + 1 && style.overflowX !== "visible" || e.scrollHeight > e.clientHeight + 1 && style.overflowY !== "visible")) faults.push(name(e) + " is cut")
			if (!floats(e)) boxes.push([e, [...e.getClientRects()]])
		}
		const over = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2
		boxes.forEach(([a, one], i) => { for (const [b, other] of boxes.slice(i + 1)) {
			if (a.contains(b) || b.contains(a) || a.closest(".with-button")?.contains(b)) continue
			if (one.some(r => other.some(s => over(r, s)))) faults.push(name(a) + " and " + name(b) + " lie over one another")
		} })
		return faults
	}
	const look = e => { const s = getComputedStyle(e); return [s.outlineStyle, s.outlineWidth, s.outlineColor].join() }
	const ring = e => { const s = getComputedStyle(e); return s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 1 && !/, 0\)$/.test(s.outlineColor) }
`

// access looks for what axe cannot see in the page that the window shows: text twice as
// large, a page zoomed to 200 % (WCAG 2.2, 1.4.4, 1.4.10), forced colours, movement for who
// wants none (2.3.3), and the keyboard (2.1.1, 2.1.2, 2.4.7).
func (w *window) access(t *testing.T, name string) {
	t.Helper()
	said := func(how, js string) {
		t.Helper()
		if faults := ask(w, chromedp.Evaluate[[]string](`(() => {`+controls+js+`})()`)); len(faults) > 0 {
			t.Errorf("%s, %s:\n%s", name, how, strings.Join(faults, "\n"))
		}
	}
	// The window is 360 wide here, and goes on so.
	defer w.do(chromedp.EmulateViewport(360, 740))
	said("with less movement, and text twice as large", `
		const moves = document.getAnimations().filter(a => a.playState === "running" && a.effect.getComputedTiming().duration > 10)
			.map(a => name(a.effect.target) + " moves: " + (a.animationName ?? a.transitionProperty))
		document.documentElement.style.fontSize = "200%"
		try { return [...moves, ...fits()] } finally { document.documentElement.style.removeProperty("font-size") }`)
	w.do(chromedp.EmulateViewport(640, 450))
	said("at 200 %", `return fits()`)

	w.forced(true)
	said("in forced colours", `
		const faults = []
		const told = e => ["", "::before", "::after"].map(part => { const s = getComputedStyle(e, part || null)
			return [s.content, s.fontWeight, s.textDecorationLine, s.borderBlockStartColor, s.borderBlockEndColor, s.borderBlockStartWidth, s.borderBlockEndWidth, s.backgroundColor].join() }).join()
		for (const e of root.querySelectorAll("[aria-current], [aria-pressed=true], [aria-selected=true]")) {
			const other = [...(e.closest("nav, ul, ol, fieldset, form, div, tr")?.querySelectorAll(e.tagName) ?? [])].find(o => o !== e && !o.matches("[aria-current], [aria-pressed=true], [aria-selected=true]") && o.classList[0] === e.classList[0])
			if (e.checkVisibility() && other && told(e) === told(other)) faults.push(name(e) + " looks as " + name(other))
		}
		for (const e of root.querySelectorAll(".main, .plain, .danger, .quiet, .chip")) {
			const s = getComputedStyle(e)
			if (e.checkVisibility() && e.innerText.trim() && s.borderBlockEndStyle === "none" && s.textDecorationLine === "none" && s.backgroundColor === getComputedStyle(document.body).backgroundColor) faults.push(name(e) + " is plain text")
		}
		for (const e of root.querySelectorAll("input.digits")) if (e.checkVisibility() && getComputedStyle(e).backgroundImage === "none") faults.push(name(e) + " has no strokes")
		return faults`)
	w.tabs(t, name)
	w.forced(false)
}

// key presses a key that types nothing, by its name and its number in Windows.
func (w *window) key(name string, number int64) error {
	_, err := chromedp.Call(w.ctx, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeRawKeyDown, Key: name, Code: name, WindowsVirtualKeyCode: number})
	return err
}

// escapes leaves an open dialog by the keyboard, which then is where it was before.
func (w *window) escapes(opener string) {
	w.t.Helper()
	w.check(w.key("Escape", 27))
	w.until("the focus is where the dialog was opened", fmt.Sprintf(`!document.querySelector("dialog:modal") && !!document.activeElement?.matches(%q)`, opener))
}

// forced has the window show its pages in the colours of the system, or not any more.
func (w *window) forced(on bool) {
	w.t.Helper()
	value := "none"
	if on {
		value = "active"
	}
	_, err := chromedp.Call(w.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "forced-colors", Value: value}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	w.check(err)
}

// tabMost bounds how many controls of a page are reached by the keyboard: rows of a list
// are alike.
const tabMost = 40

// tabs presses Tab from the top of the page and looks where the focus goes: to every control
// once, each of which then shows it.
func (w *window) tabs(t *testing.T, name string) {
	t.Helper()
	n := ask(w, chromedp.Evaluate[int](`(() => {`+controls+`
		const wanted = shown().filter(e => e.type !== "radio" || e.checked || !root.querySelector("input[type=radio][name=\"" + e.name + "\"]:checked") && e === root.querySelector("input[type=radio][name=\"" + e.name + "\"]"))
		const before = new Map(wanted.map(e => [e, look(e)])), seen = [], bad = []
		const at = event => {
			const e = event.target
			if (seen.length >= wanted.length) return
			seen.push(e)
			if (e !== document.body && !ring(e) && look(e) === before.get(e)) bad.push(name(e) + " does not show its focus")
		}
		document.activeElement?.blur?.()
		getSelection().removeAllRanges()
		addEventListener("focusin", at)
		window.tabbed = most => {
			removeEventListener("focusin", at)
			delete window.tabbed
			const all = wanted.length > most ? seen : wanted
			for (const e of all) { const times = seen.filter(s => s === e).length; if (times !== 1) bad.push(name(e) + " is reached " + times + " times") }
			for (const e of seen) if (!wanted.includes(e) && !/auto|scroll/.test(getComputedStyle(e).overflow)) bad.push(name(e) + " is none of the controls")
			return [...new Set(bad)]
		}
		const first = wanted[0]
		const parts = wanted.filter(e => /date|time|month|week/.test(e.type)).length * 4 // a date is typed in parts
		if (root !== document.body) { // a dialog: its first has the focus, which was not moved there by a key
			removeEventListener("focusin", at)
			first.focus()
			seen.push(first)
			addEventListener("focusin", at)
			return wanted.length - 1 + parts
		}
		const top = document.createElement("span")
		top.tabIndex = -1
		document.body.prepend(top)
		removeEventListener("focusin", at)
		top.focus()
		addEventListener("focusin", at)
		top.remove()
		return wanted.length + parts
	})()`))
	// All at once: the browser takes them one by one, and nobody waits in between.
	n = min(n, tabMost)
	pressed := make(chan error, n)
	for range n {
		go func() { pressed <- w.key("Tab", 9) }()
	}
	for range n {
		w.check(<-pressed)
	}
	if faults := ask(w, chromedp.Evaluate[[]string](fmt.Sprintf(`window.tabbed(%d)`, tabMost))); len(faults) > 0 {
		t.Errorf("%s, by the keyboard:\n%s", name, strings.Join(faults, "\n"))
	}
	ask(w, chromedp.Evaluate[chromedp.Void](`document.activeElement?.blur?.()`))
}

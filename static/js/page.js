// What every page does: colours without a reload, a form sent once, focus that
// is where the page wants it after coming back, times as the reader writes them,
// seconds that count down.

import { formOf, writer } from './when.js'

const root = document.documentElement

/** @param {HTMLFormElement} form */
function once(form) {
  form.addEventListener('submit', (event) => {
    if (form.getAttribute('aria-busy') === 'true') event.preventDefault()
    form.setAttribute('aria-busy', 'true')
    // Nothing came of it: let the person try again.
    setTimeout(() => form.removeAttribute('aria-busy'), 10000)
  })
}
// A page taken out of the browser's back-forward store is usable again.
addEventListener('pageshow', (event) => {
  if (event.persisted) for (const form of document.querySelectorAll('form[aria-busy]')) form.removeAttribute('aria-busy')
})

for (const form of /** @type {NodeListOf<HTMLFormElement>} */ (document.querySelectorAll('[data-theme-switch]'))) {
  form.addEventListener('submit', async (event) => {
    const chosen = /** @type {HTMLButtonElement | null} */ (event.submitter)
    if (!chosen) return
    event.preventDefault()
    const fields = new URLSearchParams(/** @type {[string, string][]} */ ([...new FormData(form)]))
    fields.set('theme', chosen.value)
    const value = chosen.value === 'auto' ? '' : chosen.value
    root.dataset.theme = value
    document.querySelector('meta[name="color-scheme"]')?.setAttribute('content', value || 'dark light')
    for (const b of form.querySelectorAll('button')) b.setAttribute('aria-pressed', String(b === chosen))
    await fetch(form.action, { method: 'POST', body: fields, redirect: 'manual' }).catch(() => {})
  })
}

const write = writer(formOf(root.lang, navigator.languages))
// The moment of «3 minutes ago» is under the pointer. Who has none, by touch or by keyboard,
// has one switch for all of the page, which is there where such times are.
const exactly = document.getElementById('exactly')
/** @param {HTMLTimeElement} t */
function when(t) {
  const at = new Date(t.dateTime), how = t.dataset.when ?? ''
  if (Number.isNaN(at.getTime())) return
  const ago = how.includes('ago')
  t.textContent = write.text(at, ago && exactly?.getAttribute('aria-pressed') === 'true' ? 'exact' : how, new Date())
  if (!ago) return
  t.title = write.exact(at)
  if (exactly) exactly.hidden = false
}
const agos = () => { for (const t of /** @type {NodeListOf<HTMLTimeElement>} */ (document.querySelectorAll('time[data-when~="ago"]'))) when(t) }
exactly?.addEventListener('click', () => {
  exactly.setAttribute('aria-pressed', String(exactly.getAttribute('aria-pressed') !== 'true'))
  agos()
})
// What is said to be a minute ago is not, a minute later; as long as the page is there.
setInterval(() => {
  if (!document.hidden) agos()
}, 20000)

// every calls tick with the seconds left, by the clock and not by counting: a
// sleeping tab wakes up with the truth. It ends when the element has left.
/** @param {HTMLElement} el @param {number} seconds @param {(left: number) => void} tick */
function every(el, seconds, tick) {
  const end = performance.now() + seconds * 1000
  const step = () => {
    const ms = Math.max(0, end - performance.now())
    tick(ms / 1000)
    if (ms > 0 && el.isConnected) setTimeout(step, ms % 1000 || 1000)
  }
  step()
}

/** @param {HTMLElement} el */
function countdown(el) {
  /** @param {number} n */
  const pad = (n) => String(n).padStart(2, '0')
  // A sentence beside it says how long: what counts silently shows its end alone.
  const silent = el.dataset.silent !== undefined
  every(el, Number(el.dataset.countdown), (seconds) => {
    const left = Math.ceil(seconds)
    const hours = Math.floor(left / 3600)
    const clock = `${hours ? hours + ':' + pad(Math.floor(left / 60) % 60) : Math.floor(left / 60)}:${pad(left % 60)}`
    el.hidden = silent && left > 0
    el.textContent = left > 0 ? clock : el.dataset.done ?? ''
    if (left === 0) el.dispatchEvent(new Event('over', { bubbles: true }))
  })
}

/** @param {HTMLElement} el */
function ring(el) {
  const left = el.querySelector('.left'), total = Number(el.dataset.total)
  every(el, Number(el.dataset.ring), (seconds) => { left?.setAttribute('stroke-dashoffset', String(100 - 100 * seconds / total)) })
}

// What may be sent only after a while is not there before.
/** @param {HTMLFormElement} form */
function after(form) {
  form.hidden = true
  every(form, Number(form.dataset.after), (seconds) => { if (seconds === 0) form.hidden = false })
}

// A sign-in may go on in another tab: who comes back to this one is led to where it is by
// now, and types nothing for nothing.
/** @param {HTMLFormElement} form */
function look(form) {
  const path = form.dataset.look ?? ''
  const now = async () => {
    if (document.visibilityState !== 'visible' || form.getAttribute('aria-busy') === 'true') return
    try {
      const answer = await fetch(path + '/state', { headers: { Accept: 'application/json' } })
      reached(true)
      if (answer.ok ? (await answer.json()).state !== form.dataset.state : [404, 410].includes(answer.status)) location.replace(path)
    } catch { reached(false) }
  }
  document.addEventListener('visibilitychange', now)
  addEventListener('focus', now)
  addEventListener('pageshow', (event) => { if (event.persisted) now() })
}

// reached says whether the site was, so that who waits knows what for.
/** @param {boolean} yes */
export function reached(yes) {
  const line = document.getElementById('offline')
  if (line) line.hidden = yes && navigator.onLine
}
addEventListener('offline', () => reached(false))
addEventListener('online', () => reached(true))
reached(true)

// bringIn scrolls sideways to what is chosen of a row that is wider than the screen; a
// browser that knows scroll-initial-target is there already.
/** @param {Element} chosen */
function bringIn(chosen) {
  const row = chosen.parentElement
  if (!row) return
  const of = chosen.getBoundingClientRect(), within = row.getBoundingClientRect()
  if (of.left < within.left || of.right > within.right) row.scrollLeft += of.left - within.left - (within.width - of.width) / 2
}

// prepare gives a part of the page what it asks for.
/** @param {Element | Document} part */
export function prepare(part) {
  /**
   * @template {Element} E
   * @param {string} what
   * @param {(el: E) => void} fn
   */
  const each = (what, fn) => {
    if (part instanceof Element && part.matches(what)) fn(/** @type {E} */ (part))
    for (const el of /** @type {NodeListOf<E>} */ (part.querySelectorAll(what))) fn(el)
  }
  each('form[data-once]', once)
  each('time[data-when]', when)
  each('[data-countdown]', countdown)
  each('[data-ring]', ring)
  each('form[data-after]', after)
  each('form[data-look]', look)
  each(':is(.tabs, .chips) > [aria-current]', bringIn)
}

prepare(document)

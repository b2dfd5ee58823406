// Pages that wait for a phone. An event stream tells when the page is another;
// where it does not get through, a poll does. The part of the page that waits is
// replaced by what the server shows now; when the sign-in is elsewhere, so is the
// browser. Without script the page reloads by itself.
//
// Over HTTP/1.1 a browser opens six connections to a site, and streams would use them
// up: a page that nobody sees has none, and of those that are seen one has. The others
// poll.

import { prepare, reached } from './page.js'

const pollEvery = 3000
// While the site does not answer, or says that it cannot now, it is asked as often as a
// stream that was cut is opened again. So it is while a stream does not come back, which a
// browser that has never had one waits longer with, though for some looks only: behind a
// proxy that holds streams back it never comes.
const pollAway = 1000
const quickLooks = 5
/** @type {{ look: () => void, listen: () => void, ask: () => void, rest: () => void }[]} one for each part that waits */
const parts = []
let sending = false

for (const el of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[data-live]'))) follow(el.id, el.dataset.live ?? '', el.dataset.step ?? '')

// What the person sends leads on by itself: the stream must not be quicker.
addEventListener('submit', (event) => {
  if (event.defaultPrevented) return
  sending = true
  setTimeout(() => {
    sending = false
    for (const part of parts) part.look() // what was told meanwhile
  }, 10000)
})
addEventListener('pageshow', () => { sending = false })

/** @param {string} id @param {string} path @param {string} step */
function follow(id, path, step) {
  /** @type {EventSource | undefined} */
  let stream
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let poll
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let soon
  let busy = false, told = '', quick = 0
  const part = () => /** @type {HTMLElement} */ (document.getElementById(id))

  /** @param {string} state */
  async function changed(state) {
    told = state
    if (busy || sending || state === part().dataset.state) return
    busy = true
    try {
      if (step && !state.startsWith(step + '-')) return location.replace(path)
      const answer = await fetch(path, { headers: { Accept: 'text/html' }, redirect: 'manual' })
      // A redirect leads on to where this is finished.
      if (answer.type === 'opaqueredirect') return location.assign(path)
      if (!answer.ok) return location.replace(path)
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
      const fresh = page.getElementById(id)
      if (!fresh) return location.replace(path)
      const node = document.importNode(fresh, true)
      swap(part(), node)
      arrive(node, page)
      if (watches()) ask()
    } catch {
      // Offline for a moment: the stream or the poll comes back to it.
    } finally {
      busy = false
    }
    // Another change may have been told meanwhile, and is not told again.
    if (told !== state) await changed(told)
  }

  async function look() {
    let away = true
    try {
      const answer = await fetch(path + '/state', { headers: { Accept: 'application/json' } })
      reached(true)
      away = answer.status >= 500
      if (answer.ok) await changed((await answer.json()).state)
      else if (answer.status === 404 || answer.status === 410) location.replace(path)
    } catch { reached(false) } // and again next time
    if (!stream) return // nobody listens here now
    if (away || (stream.readyState === EventSource.CONNECTING && quick-- > 0)) soon ??= setTimeout(() => { soon = undefined; look() }, pollAway)
    // An answer that is no stream, such as 503, ends one for good.
    else if (stream.readyState === EventSource.CLOSED) listen()
  }

  // Some news come by no stream: that this browser has signed in in another tab.
  const watches = () => part().dataset.looks !== undefined
  function ask() { poll ??= setInterval(look, pollEvery) }
  function rest() {
    stream?.close()
    stream = undefined
    clearInterval(poll)
    clearTimeout(soon)
    poll = soon = undefined
  }

  function listen() {
    if (stream && stream.readyState !== EventSource.CLOSED) return
    stream = new EventSource(path + '/events')
    stream.addEventListener('state', (event) => {
      if (!watches()) {
        clearInterval(poll)
        poll = undefined
      }
      reached(true)
      changed(event.data)
    })
    stream.addEventListener('error', () => {
      quick = quickLooks
      look()
      ask()
    })
    if (watches()) ask()
  }

  parts.push({ look, listen, ask, rest })
  // The server's clock may be a moment behind the page's.
  document.addEventListener('over', () => { look(); setTimeout(look, 1500) })
  arrive(part(), document)
}

// begin has the parts told of news: by a stream, where no other page of this browser that
// is seen has one, else by a poll until its turn comes.
/** @type {AbortController | undefined} */
let turn
/** @type {(() => void) | undefined} */
let leave
function begin() {
  if (turn || document.visibilityState === 'hidden' || parts.length === 0) return
  const mine = turn = new AbortController()
  const listen = () => { for (const part of parts) part.listen() }
  if (!navigator.locks) return listen() // not by https
  let waits = true
  setTimeout(() => { if (waits && !mine.signal.aborted) for (const part of parts) { part.look(); part.ask() } }, 500)
  navigator.locks.request('hilum-stream', { signal: mine.signal }, () => new Promise((done) => {
    waits = false
    if (mine.signal.aborted) return done(undefined)
    leave = () => done(undefined)
    listen()
  })).catch(() => {}) // it was given up before its turn came
}

function end() {
  turn?.abort()
  leave?.()
  turn = leave = undefined
  for (const part of parts) part.rest()
}

// A phone that was locked, a lid that was closed: the stream is dead without
// knowing, so look at once and listen anew.
function anew() {
  end()
  for (const part of parts) part.look()
  begin()
}

begin()
document.addEventListener('visibilitychange', () => { if (document.visibilityState === 'visible') anew(); else end() })
addEventListener('online', anew)
addEventListener('pagehide', end)
addEventListener('pageshow', (event) => { if (event.persisted) anew() })

// swap puts a fresh part in the place of an old one. Who is in the old one with
// the keyboard, or reads it with a screen reader, is where they were, if the fresh
// one has that place; nobody else is moved.
/** @param {Element} old @param {Element} node */
function swap(old, node) {
  const held = old.contains(document.activeElement) ? document.activeElement : null
  const typed = types(held) && held.selectionStart !== null && { value: held.value, from: held.selectionStart, to: held.selectionEnd, way: held.selectionDirection }
  old.replaceWith(node)
  prepare(node)
  const same = held && /** @type {HTMLElement | undefined} */ (twin(held, node))
  if (!same) return
  same.focus({ preventScroll: true })
  if (!typed || !types(same) || same !== document.activeElement) return
  same.value = typed.value
  same.setSelectionRange(typed.from, typed.to, typed.way ?? undefined)
}

// types reports whether an element is typed into.
/** @param {Element | null} el @returns {el is HTMLInputElement | HTMLTextAreaElement} */
function types(el) {
  return el instanceof HTMLInputElement || el instanceof HTMLTextAreaElement
}

// twin is what stands in a part for an element of the one before: by its id, else
// by its name or where it leads.
/** @param {Element} el @param {Element} node */
function twin(el, node) {
  for (const what of ['id', 'name', 'href']) {
    const value = el.getAttribute(what)
    if (!value) continue
    const found = [node, ...node.querySelectorAll(el.tagName)].find((e) => e.tagName === el.tagName && e.getAttribute(what) === value)
    if (found || what === 'id') return found
  }
}

// arrive does what a fresh part asks for: move on, or put the code that is shown, and
// what is asked beside it, as the page has it now.
/** @param {Element} node @param {Document} page */
function arrive(node, page) {
  const go = /** @type {HTMLFormElement | null} */ (node.querySelector('form[data-go]'))
  go?.requestSubmit()
  // What stands above the part speaks of it.
  const heading = document.getElementById('heading'), said = page.getElementById('heading')
  if (heading && said && heading.textContent !== said.textContent) {
    heading.replaceChildren(...document.importNode(said, true).childNodes)
    document.title = page.title
  }
  const linking = document.getElementById('linking')
  if (!linking || page === document) return
  const there = page.getElementById('linking')
  linking.hidden = there?.hidden ?? false
  // A code that somebody has scanned is dead: it is not shown any more. Where there is a
  // new one it stands in its place; what is being typed beside it stays.
  const offer = document.getElementById('offer'), fresh = page.getElementById('offer')
  if (offer && fresh) swap(offer, document.importNode(fresh, true))
}

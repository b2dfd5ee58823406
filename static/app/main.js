// The app: what is shown when. A request that waits comes before everything else.

import { accounts, again, asks, changed, load, onChange, onTold, rest, watch } from './live.js'
import { clearNotes, home as base } from './push.js'
import { h } from './dom.js'
import { homeView, looks } from './home.js'
import { t, words } from './words.js'

/** @import { Account, ToPage, ToWorker } from './store.js' */
/** @import { Said } from './ask.js' */

const main = /** @type {HTMLElement} */ (document.getElementById('main'))
const banner = /** @type {HTMLElement} */ (document.getElementById('banner'))
const site = document.title

// said shows what came of something, until the next thing is done.
/** @type {ReturnType<typeof setTimeout>} */
let quiet
/** @type {Said} */
function said({ text, bad }) {
  clearTimeout(quiet)
  banner.replaceChildren(h('p', { class: bad ? 'note bad' : 'note good', id: 'said' }, text))
  if (!bad) quiet = setTimeout(() => banner.replaceChildren(), 8000)
}

// The codes are there at once; what else there is to see comes a moment later.
const more = Promise.all([import('./ask.js'), import('./add.js'), import('./menu.js')])
/** @type {typeof import('./ask.js')} */
let asking
/** @type {typeof import('./add.js')} */
let adding
/** @type {typeof import('./menu.js')} */
let menus
more.then((views) => {
  [asking, adding, menus] = views
  draw()
}, async () => { await words; said({ text: t('update.missing'), bad: true }) })

/** @type {Record<string, (value: string, back?: string) => HTMLElement | null>} */
const routes = {
  link: (text, back) => adding.linkView(text, back),
  typed: () => adding.typedView(),
  install: () => menus.installView(redraw),
  menu: (id) => one(id, menus.menuView),
  rename: (id) => one(id, (a) => menus.renameView(a, said)),
  push: (id) => one(id, (a) => menus.pushView(a, redraw)),
  unpair: (id) => one(id, (a) => menus.unpairView(a, said)),
}

/** @param {string} id @param {(a: Account) => HTMLElement} view */
function one(id, view) {
  const a = accounts.find((b) => b.id === id)
  return a ? view(a) : null
}

// place is what the address asks for: a name and its value, and where a page of the site
// wants to be come back to.
/** @returns {{ name: string, value: string, back?: string }} */
function place() {
  const [what, further] = location.hash.slice(1).split('&')
  const [name, ...value] = what.split('=')
  try {
    return { name, value: decodeURIComponent(value.join('=')), back: further?.startsWith('back=') ? decodeURIComponent(further.slice(5)) : undefined }
  } catch { return { name: '', value: '' } }
}

// key tells one view from another: the same one is not drawn anew under the
// person's fingers, but for the accounts, which change by themselves.
let shown = ''
let ready = false // the accounts are known, and the words

function draw(force = false) {
  if (!ready) return
  const ask = asking && asks[0]
  const at = place()
  let key = ask ? 'ask ' + ask.cid + (ask.denying ? ' why' : '') : adding && at.name in routes ? at.name + ' ' + at.value : 'home'
  if (key === shown && !force) return
  /** @type {HTMLElement | null | undefined} */
  let view
  if (ask) view = asking.askView(ask, { said, redraw, update })
  else if (key !== 'home') view = routes[at.name](at.value, at.back)
  const home = !view // also when the account is not there any more
  if (!view) {
    key = 'home' + looks()
    if (key === shown && !force) return
    view = homeView(redraw)
  }
  const same = key === shown || home && shown.startsWith('home')
  const focused = same && document.activeElement?.id
  const scroll = scrollY
  main.replaceChildren(view)
  const title = /** @type {HTMLElement} */ (view.querySelector('h1'))
  document.title = home ? site : title.textContent
  if (same) {
    if (focused) document.getElementById(focused)?.focus()
    scrollTo(0, scroll)
  } else {
    if (shown !== '' || ask) title.focus({ preventScroll: true })
    scrollTo(0, 0)
    if (ask && navigator.userActivation?.hasBeenActive) navigator.vibrate?.(60)
  }
  if (!home && !same) banner.replaceChildren()
  shown = key
}
const redraw = () => draw(true)

addEventListener('hashchange', () => draw())
onChange(() => draw())
onTold(async ({ key, args, bad }) => { await words; said({ text: t(key, args), bad }) })
addEventListener('installable', () => { if (/^(home|install)/.test(shown)) redraw() })
addEventListener('keydown', (event) => { if (asking && asks[0] && !event.ctrlKey && !event.metaKey && !event.altKey) asking.pressed(asks[0], event.key) })

// The service worker keeps the app for when there is no network, and brings the
// next version: that one takes over when the app is opened the next time.
/** @type {ServiceWorkerRegistration | undefined} */
let registration
// Also when that happens by itself, while this page was being opened.
if (navigator.serviceWorker?.controller) navigator.serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true })
async function install() {
  if (!('serviceWorker' in navigator)) return
  navigator.serviceWorker.addEventListener('message', (/** @type {MessageEvent<ToPage>} */ event) => { if (event.data === 'look') again() })
  registration = await navigator.serviceWorker.register(base + 'sw.js', { scope: base, updateViaCache: 'none' })
  // Nobody has it in hand while one version follows the other; at the first visit there is none at all.
  if (!navigator.serviceWorker.controller && !registration.active) return
  if (registration.waiting) takeOver()
  else if (await outlived(registration.active)) location.reload()
}

// outlived reports whether the next version took over before this script could
// hear of it: then what was kept of this one is gone. A reload that came to the same
// is not done again.
/** @param {ServiceWorker | null} next */
async function outlived(next) {
  if (next?.state === 'activating') await new Promise((done) => next.addEventListener('statechange', done, { once: true }))
  const kept = (await caches.keys()).some((name) => name.startsWith('hilum-app-'))
  const [opened] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType('navigation'))
  return kept && !await caches.match(import.meta.url) && opened.type !== 'reload'
}

function takeOver() {
  navigator.serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true })
  registration?.waiting?.postMessage(/** @satisfies {ToWorker} */ ('take over'))
}

// update fetches a newer app and starts it; event is of the button.
/** @param {Event} event */
async function update(event) {
  const button = /** @type {HTMLButtonElement} */ (event.currentTarget)
  button.disabled = true
  try { await registration?.update() } catch { /* offline: what is here goes on */ }
  const next = registration?.installing
  if (next) await /** @type {Promise<void>} */ (new Promise((done) => next.addEventListener('statechange', () => { if (next.state !== 'installing') done() })))
  if (registration?.waiting) takeOver()
  else location.reload()
}

document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') { again(); clearNotes().catch(() => {}) } else rest()
})
addEventListener('online', again)

const loading = load().then(() => true, () => false)
await words
if (!await loading) said({ text: t('fault.keys'), bad: true })
ready = true
changed()
draw()
watch()
install().catch(() => {})
if (document.visibilityState === 'visible') clearNotes().catch(() => {})

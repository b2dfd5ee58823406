// The app: what is shown when. A request that waits comes before everything else.

import { accounts, again, asks, changed, hasLock, load, onChange, onTold, rest, watch } from './live.js'
import { clearNotes } from './push.js'
import { h } from './dom.js'
import { homeView, looks } from './home.js'
import { t, words } from './words.js'

/** @import { Account } from './store.js' */
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
const more = Promise.all([import('./ask.js'), import('./add.js'), import('./menu.js'), import('./lock.js')])
/** @type {typeof import('./ask.js')} */
let asking
/** @type {typeof import('./add.js')} */
let adding
/** @type {typeof import('./menu.js')} */
let menus
/** @type {typeof import('./lock.js') | undefined} */
let lock
more.then((views) => {
  [asking, adding, menus, lock] = views
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
  lock: (id) => one(id, () => lock?.lockView('#menu=' + id, redraw)),
  unpair: (id) => one(id, (a) => menus.unpairView(a, said)),
}

/** @param {string} id @param {(a: Account) => HTMLElement | undefined} view */
function one(id, view) {
  const a = accounts.find((b) => b.id === id)
  return a && view(a) || null
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

// first is the question that is shown: that of the page which the person comes from, else
// the oldest.
const first = () => asks.find((q) => asking.carried(q)) ?? asks[0]

// key tells one view from another: the same one is not drawn anew under the
// person's fingers, but for the accounts, which change by themselves.
let shown = ''
let ready = false // the accounts are known, and the words

function draw(force = false) {
  if (!ready || hasLock() && !lock) return // what a lock hides is not shown before it is there
  const at = place()
  if (at.name === 'here') asking?.carry(at.value).then((got) => { if (got) draw(true) }, () => {})
  const ask = asking && first()
  const shut = !['link', 'typed', 'install'].includes(at.name) && lock?.shut()
  let key = ask ? 'ask ' + ask.cid + (ask.denying ? ' why' : '') : shut ? 'shut' : adding && at.name in routes ? at.name + ' ' + at.value : 'home'
  if (key === shown && !force) return
  /** @type {HTMLElement | null | undefined} */
  let view
  if (ask) view = asking.askView(ask, { said, redraw })
  else if (shut) view = lock?.shutView(redraw)
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
addEventListener('keydown', (event) => {
  const ask = asking && first()
  if (ask && !event.ctrlKey && !event.metaKey && !event.altKey) asking.pressed(ask, event.key)
})

// The next version of the app took over by itself, while this page was being opened.
if (navigator.serviceWorker?.controller) navigator.serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true })

document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') { draw(); again(); clearNotes().catch(() => {}) } else rest()
})
addEventListener('online', again)
addEventListener('offline', again) // which finds that it is so at once, and says it

const loading = load().then(() => true, () => false)
await words
if (!await loading) said({ text: t('fault.keys'), bad: true })
ready = true
changed()
draw()
watch()
import('./update.js').then(({ install }) => install().catch(() => {}), () => {
  // What was kept of this version is gone: the next one is a reload away.
  const [opened] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType('navigation'))
  if (navigator.onLine && opened.type !== 'reload') location.reload()
})
if (document.visibilityState === 'visible') clearNotes().catch(() => {})

// The app on this phone: kept, and replaced by the next version.

import { again } from './live.js'
import { home as base } from './push.js'

/** @import { ToPage, ToWorker } from './store.js' */

// keptAs begins the names of the caches of this app, as in worker.js.
const keptAs = base === '/app/' ? 'hilum-app-' : 'hilum' + base

// The service worker keeps the app for when there is no network, and brings the
// next version: that one takes over when the app is opened the next time.
/** @type {ServiceWorkerRegistration | undefined} */
let registration
export async function install() {
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
  const kept = (await caches.keys()).some((name) => name.startsWith(keptAs))
  const [opened] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType('navigation'))
  return kept && !await caches.match(import.meta.url) && opened.type !== 'reload'
}

function takeOver() {
  navigator.serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true })
  registration?.waiting?.postMessage(/** @satisfies {ToWorker} */ ('take over'))
}

// update fetches a newer app and starts it; event is of the button.
/** @param {Event} event */
export async function update(event) {
  const button = /** @type {HTMLButtonElement} */ (event.currentTarget)
  button.disabled = true
  try { await registration?.update() } catch { /* offline: what is here goes on */ }
  const next = registration?.installing
  if (next) await /** @type {Promise<void>} */ (new Promise((done) => next.addEventListener('statechange', () => { if (next.state !== 'installing') done() })))
  if (registration?.waiting) takeOver()
  else location.reload()
}

// The page that reads QR codes. It is a document of its own because it alone may
// use the camera; no key is used here.

import { back, h, icon, problem } from './dom.js'
import { faultWords } from './ask.js'
import { readLink } from './protocol.js'
import { t, words } from './words.js'
import { installed, ios } from './platform.js'

/** @import { Camera, Trouble } from './scan.js' */

const main = /** @type {HTMLElement} */ (document.getElementById('main'))
await words
const reader = () => import('./scan.js')

let stop = new AbortController()
/** @type {Camera | undefined} */
let camera

// found goes on with a text, or says why not; true when it went on.
/** @param {string} text */
function found(text) {
  try {
    readLink(text)
  } catch (fault) {
    complain(faultWords({ code: fault.code ?? 'foreign' }))
    return false
  }
  stop.abort()
  camera?.stop()
  location.replace('./#link=' + encodeURIComponent(text))
  return true
}

const said = h('div', { class: 'said' })
/** @param {string} why */
function complain(why) {
  if (said.textContent !== why) said.replaceChildren(problem(why))
}

const video = h('video', { id: 'video', muted: true, playsinline: true, autoplay: true, 'aria-label': t('scan.video') })
const light = h('button', { class: 'light', type: 'button', id: 'light', 'aria-pressed': 'false', hidden: true }, icon('light'), h('span', {}, t('scan.light')))
const frame = h('div', { class: 'frame' }, video, h('div', { class: 'corners', 'aria-hidden': 'true' }), light)
const start = h('button', { class: 'main', type: 'button', id: 'camera' }, t('scan.camera'))
const before = h('div', { class: 'before' }, h('p', { class: 'lead' }, t('scan.why')), start)

async function open() {
  said.replaceChildren()
  stop = new AbortController()
  before.hidden = true
  frame.hidden = false
  /** @param {Trouble} kind */
  const fail = (kind) => {
    frame.hidden = true
    before.hidden = kind === 'none' || kind === 'insecure'
    complain(t(`scan.${kind}`))
  }
  let scan
  try { scan = await reader() } catch { fail('failed'); return complain(t('scan.reader')) }
  try {
    camera = await scan.openCamera(video, { onText: found, onFault: fail, signal: stop.signal })
  } catch { return fail('failed') }
  const lit = () => { light.hidden = !camera?.hasTorch }
  lit()
  setTimeout(lit, 1000) // some phones know it late
}

start.addEventListener('click', open)
light.addEventListener('click', async () => {
  const on = light.getAttribute('aria-pressed') !== 'true'
  light.setAttribute('aria-pressed', String(await camera?.torch(on) && on))
})

const file = h('input', { type: 'file', id: 'file', accept: 'image/*', class: 'offscreen' })
file.addEventListener('change', async () => {
  const picture = file.files?.[0]
  file.value = ''
  if (!picture) return
  let scan
  try { scan = await reader() } catch { return complain(t('scan.reader')) }
  let text = null
  try { text = await scan.readPicture(picture) } catch { /* said below */ }
  if (text === null) complain(t('scan.file.none'))
  else found(text)
})

document.title = t('scan.title')
if (ios && !installed()) location.replace('./#typed') // which says why not
main.replaceChildren(h('div', { class: 'view scan' },
  back(t('add.back'), './'), h('h1', { tabindex: -1 }, t('scan.title')), h('p', { class: 'lead' }, t('scan.lead')),
  frame, before, said, h('div', { class: 'grow' }),
  h('div', { class: 'foot' }, h('label', { class: 'button plain', for: 'file' }, t('scan.file')), file, h('a', { class: 'link', id: 'typed', href: './#typed' }, t('add.typed')))))
frame.hidden = true
main.querySelector('h1')?.focus()

// Where the person has said yes before, the picture is there at once.
navigator.permissions?.query({ name: 'camera' }).then((p) => { if (p.state === 'granted') open() }).catch(() => {})
addEventListener('pagehide', () => { stop.abort(); camera?.stop() })
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible' || frame.hidden) return
  stop.abort()
  camera?.stop()
  frame.hidden = true
  before.hidden = false
})

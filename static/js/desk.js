// A list of the administration: it follows what is typed, its links replace the
// list alone, a row opens beside it, and ticks are counted. Every address here is
// a page of its own, so nothing of this is needed.

import { prepare } from './page.js'

const search = /** @type {HTMLFormElement | null} */ (document.querySelector('[data-search]'))
const field = /** @type {HTMLInputElement | null | undefined} */ (search?.querySelector('[type="search"]'))
const room = /** @type {HTMLDialogElement | null} */ (document.querySelector('[data-drawer-room]'))
/** @type {AbortController | undefined} */
let asked
// here is the address of what is shown, whatever part of it was jumped to.
function here() { return location.href.split('#')[0] }
// The address of the list that is shown, and its title: the drawer has those of its device.
let shown = here()
const title = document.title

/** @param {string} url */
async function read(url) {
  asked?.abort()
  asked = new AbortController()
  const answer = await fetch(url, { signal: asked.signal, headers: { Accept: 'text/html' }, credentials: 'same-origin' })
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
  return { answer, page }
}

// turn shows the list at an address; what is not a list (a sign-in, an error) is
// gone to. remember says what becomes of the address, history.pushState for one.
/** @param {string} url @param {History['pushState']} [remember] */
async function turn(url, remember) {
  const list = document.querySelector('[data-list]')
  if (!list) return location.assign(url)
  list.setAttribute('aria-busy', 'true')
  try {
    const { page } = await read(url)
    const fresh = page.querySelector('[data-list]')
    if (!fresh) {
      location.assign(url)
      return
    }
    const at = document.activeElement?.closest('[data-list]') && document.activeElement.id
    const now = document.importNode(fresh, true)
    list.replaceWith(now)
    remember?.call(history, null, '', url)
    shown = here()
    prepare(now)
    ticks()
    if (at) document.getElementById(at)?.focus()
  } catch (err) {
    if (err.name === 'AbortError') return
    location.assign(url)
  }
}

// wanted is what the address of this page asks for.
const wanted = () => new URL(location.href).searchParams

// address is that of the list which a form asks for.
/** @param {HTMLFormElement} form */
function address(form) {
  const q = new URLSearchParams()
  for (const [name, value] of new FormData(form)) if (value) q.append(name, String(value))
  const boxes = [.../** @type {NodeListOf<HTMLInputElement>} */ (form.querySelectorAll('[name="col"]'))]
  if (boxes.every((b) => b.checked === b.defaultChecked) && !wanted().has('col')) q.delete('col')
  return form.getAttribute('action') + (q.size ? '?' + q : '')
}

if (search && field) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let soon
  field.addEventListener('input', () => {
    clearTimeout(soon)
    soon = setTimeout(() => turn(address(search), history.replaceState), 180)
  })
  search.addEventListener('submit', (event) => {
    event.preventDefault()
    clearTimeout(soon)
    search.querySelector('details[open]')?.removeAttribute('open')
    turn(address(search), history.pushState)
  })
}

// ticks says how many are selected, and selects all at once.
function ticks() {
  const all = /** @type {HTMLInputElement | null} */ (document.querySelector('[data-all]'))
  const go = /** @type {HTMLButtonElement | null} */ (document.querySelector('[data-picked]'))
  if (!all || !go) return
  const boxes = [.../** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll('[data-pick]'))]
  const count = () => {
    const n = boxes.filter((b) => b.checked).length, { picked = '' } = go.dataset
    go.disabled = n === 0
    go.textContent = n ? `${picked} (${n})` : picked
    all.checked = n === boxes.length
    all.indeterminate = n > 0 && n < boxes.length
  }
  all.hidden = false
  all.addEventListener('change', () => {
    for (const b of boxes) b.checked = all.checked
    count()
  })
  for (const b of boxes) b.addEventListener('change', count)
  count()
}
ticks()
addEventListener('pageshow', ticks)

// open shows the page of an address in the drawer. remember: the address is that of this
// page from now on, so that it can be kept and loaded, and Back closes the drawer.
/** @param {string} url @param {HTMLDialogElement} drawer @param {boolean} [remember] */
async function open(url, drawer, remember) {
  try {
    const { answer, page } = await read(url)
    const detail = page.querySelector('#detail'), body = drawer.querySelector('[data-drawer-body]')
    if (!answer.ok || !detail || !body) {
      location.assign(url)
      return
    }
    body.replaceChildren(document.importNode(detail, true))
    prepare(body)
    if (remember) history.pushState({ drawer: true }, '', url)
    document.title = page.title
    if (!drawer.open) drawer.showModal()
    drawer.scrollTop = 0
  } catch (err) {
    if (err.name !== 'AbortError') location.assign(url)
  }
}

// Back and forward: the drawer closes or opens, the list turns where it is another, and a
// page that was loaded at the address of a drawer gives way to the list.
addEventListener('popstate', (event) => {
  if (event.state?.drawer && room) {
    open(location.href, room)
    return
  }
  const list = document.querySelector('[data-list]')
  if (here() === shown) {
    asked?.abort()
    list?.removeAttribute('aria-busy')
    room?.close()
    return
  }
  if (!list) {
    location.reload()
    return
  }
  room?.close()
  if (field) field.value = wanted().get('q') ?? ''
  turn(location.href)
})

/** @param {MouseEvent} event */
const plain = (event) => event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey

document.addEventListener('click', (event) => {
  const at = event.target
  if (!plain(event) || !(at instanceof Element)) return
  const link = at.closest('a')
  if (link?.matches('[data-turn]')) {
    event.preventDefault()
    turn(link.href, history.pushState)
    if (field && new URL(link.href).searchParams.get('q') === null) field.value = ''
    return
  }
  if (at.closest('input, button, label, summary') || (link && !link.matches('[data-drawer]'))) return
  const row = at.closest('[data-row]')
  const page = /** @type {HTMLElement | null | undefined} */ (row?.querySelector('[data-open]'))
  if (page && !link) {
    if (!String(getSelection())) page.click()
    return
  }
  const leads = link ?? /** @type {HTMLAnchorElement | null | undefined} */ (row?.querySelector('[data-drawer]'))
  if (!leads || !room || (!link && String(getSelection()))) return
  event.preventDefault()
  open(leads.href, room, true)
})

if (room) {
  room.querySelector('[data-close]')?.addEventListener('click', () => room.close())
  room.addEventListener('click', (event) => { if (event.target === room) room.close() })
  room.addEventListener('close', () => {
    document.title = title
    if (history.state?.drawer) history.back()
  })
}

// The log goes on by itself while it is followed: a look every three seconds.
const follow = /** @type {HTMLElement | null} */ (document.querySelector('[data-follow]'))
if (follow) {
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let timer
  follow.hidden = false
  follow.addEventListener('click', () => {
    const on = follow.getAttribute('aria-pressed') !== 'true'
    follow.setAttribute('aria-pressed', String(on))
    clearInterval(timer)
    if (on) timer = setInterval(() => { if (!document.hidden) turn(location.href) }, 3000)
  })
}

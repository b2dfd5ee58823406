// A list of the administration: it follows what is typed, its links replace the
// list alone, a row opens beside it, and ticks are counted. Every address here is
// a page of its own, so nothing of this is needed.

import { prepare } from './page.js'

const search = /** @type {HTMLFormElement | null} */ (document.querySelector('[data-search]'))
const field = /** @type {HTMLInputElement | null | undefined} */ (search?.querySelector('[type="search"]'))
const room = /** @type {HTMLDialogElement | null} */ (document.querySelector('[data-drawer-room]'))
/** @type {AbortController | undefined} */
let asked

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
    const here = document.activeElement?.closest('[data-list]') && document.activeElement.id
    const now = document.importNode(fresh, true)
    list.replaceWith(now)
    remember?.call(history, null, '', url)
    prepare(now)
    ticks()
    if (here) document.getElementById(here)?.focus()
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
  addEventListener('popstate', () => {
    field.value = wanted().get('q') ?? ''
    turn(location.href)
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

// open shows what a link leads to in the drawer.
/** @param {HTMLAnchorElement} link @param {HTMLDialogElement} drawer */
async function open(link, drawer) {
  try {
    const { answer, page } = await read(link.href)
    const detail = page.querySelector('#detail'), body = drawer.querySelector('[data-drawer-body]')
    if (!answer.ok || !detail || !body) {
      location.assign(link.href)
      return
    }
    body.replaceChildren(document.importNode(detail, true))
    prepare(body)
    drawer.showModal()
    drawer.scrollTop = 0
  } catch (err) {
    if (err.name !== 'AbortError') location.assign(link.href)
  }
}

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
  open(leads, room)
})

if (room) {
  room.querySelector('[data-close]')?.addEventListener('click', () => room.close())
  room.addEventListener('click', (event) => { if (event.target === room) room.close() })
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

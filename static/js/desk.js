// A list of the administration: it follows what is typed, its links replace the
// list alone, a row opens beside it, and ticks are counted. Every address here is
// a page of its own, so nothing of this is needed.

import { prepare } from './page.js'

const search = document.querySelector('[data-search]')
const field = search?.querySelector('[type="search"]')
const room = document.querySelector('[data-drawer-room]')
let asked = null

async function read(url) {
  asked?.abort()
  asked = new AbortController()
  const answer = await fetch(url, { signal: asked.signal, headers: { Accept: 'text/html' }, credentials: 'same-origin' })
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
  return { answer, page }
}

// turn shows the list at an address; what is not a list (a sign-in, an error) is
// gone to.
async function turn(url, remember) {
  const list = document.querySelector('[data-list]')
  list.setAttribute('aria-busy', 'true')
  try {
    const { page } = await read(url)
    const fresh = page.querySelector('[data-list]')
    if (!fresh) {
      location.assign(url)
      return
    }
    const here = document.activeElement?.closest('[data-list]') && document.activeElement.id
    list.replaceWith(document.importNode(fresh, true))
    remember?.call(history, null, '', url)
    const now = document.querySelector('[data-list]')
    prepare(now)
    ticks()
    if (here) document.getElementById(here)?.focus()
  } catch (err) {
    if (err.name === 'AbortError') return
    location.assign(url)
  }
}

function address() {
  const q = new URLSearchParams()
  for (const [name, value] of new FormData(search)) if (value) q.append(name, value)
  const boxes = [...search.querySelectorAll('[name="col"]')]
  if (boxes.every((b) => b.checked === b.defaultChecked) && !new URL(location).searchParams.has('col')) q.delete('col')
  return search.getAttribute('action') + (q.size ? '?' + q : '')
}

if (search) {
  let soon = 0
  field.addEventListener('input', () => {
    clearTimeout(soon)
    soon = setTimeout(() => turn(address(), history.replaceState), 180)
  })
  search.addEventListener('submit', (event) => {
    event.preventDefault()
    clearTimeout(soon)
    const menu = search.querySelector('details[open]')
    if (menu) menu.open = false
    turn(address(), history.pushState)
  })
  addEventListener('popstate', () => {
    field.value = new URL(location).searchParams.get('q') ?? ''
    turn(location.href)
  })
}

// ticks says how many are selected, and selects all at once.
function ticks() {
  const all = document.querySelector('[data-all]'), go = document.querySelector('[data-picked]')
  if (!all || !go) return
  const boxes = [...document.querySelectorAll('[data-pick]')]
  const count = () => {
    const n = boxes.filter((b) => b.checked).length
    go.disabled = n === 0
    go.textContent = n ? `${go.dataset.picked} (${n})` : go.dataset.picked
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

async function open(link) {
  try {
    const { answer, page } = await read(link.href)
    const detail = page.querySelector('#detail')
    if (!answer.ok || !detail) {
      location.assign(link.href)
      return
    }
    const body = room.querySelector('[data-drawer-body]')
    body.replaceChildren(document.importNode(detail, true))
    prepare(body)
    room.showModal()
    room.scrollTop = 0
  } catch (err) {
    if (err.name !== 'AbortError') location.assign(link.href)
  }
}

const plain = (event) => event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey

document.addEventListener('click', (event) => {
  if (!plain(event)) return
  const link = event.target.closest('a')
  if (link?.matches('[data-turn]')) {
    event.preventDefault()
    turn(link.href, history.pushState)
    if (field && new URL(link.href).searchParams.get('q') === null) field.value = ''
    return
  }
  if (event.target.closest('input, button, label, summary') || (link && !link.matches('[data-drawer]'))) return
  const row = event.target.closest('[data-row]')
  const page = row?.querySelector('[data-open]')
  if (page && !link) {
    if (!String(getSelection())) page.click()
    return
  }
  const drawer = link ?? row?.querySelector('[data-drawer]')
  if (!drawer || !room || (!link && String(getSelection()))) return
  event.preventDefault()
  open(drawer)
})

if (room) {
  room.querySelector('[data-close]').addEventListener('click', () => room.close())
  room.addEventListener('click', (event) => { if (event.target === room) room.close() })
}

// The log goes on by itself while it is followed: a look every three seconds.
const follow = document.querySelector('[data-follow]')
if (follow) {
  let timer = 0
  follow.hidden = false
  follow.addEventListener('click', () => {
    const on = follow.getAttribute('aria-pressed') !== 'true'
    follow.setAttribute('aria-pressed', String(on))
    clearInterval(timer)
    if (on) timer = setInterval(() => { if (!document.hidden) turn(location.href) }, 3000)
  })
}

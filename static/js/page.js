// What every page does: colours without a reload, a form sent once, focus that
// is where the page wants it after coming back, times as the reader writes them,
// seconds that count down.

const root = document.documentElement

for (const form of document.querySelectorAll('form[data-once]')) {
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

for (const form of document.querySelectorAll('[data-theme-switch]')) {
  form.addEventListener('submit', async (event) => {
    const chosen = event.submitter
    if (!chosen) return
    event.preventDefault()
    const fields = new URLSearchParams(new FormData(form))
    fields.set('theme', chosen.value)
    const value = chosen.value === 'auto' ? '' : chosen.value
    root.dataset.theme = value
    document.querySelector('meta[name="color-scheme"]').content = value || 'dark light'
    for (const b of form.querySelectorAll('button')) b.setAttribute('aria-pressed', String(b === chosen))
    await fetch(form.action, { method: 'POST', body: fields, redirect: 'manual' }).catch(() => {})
  })
}

const moment = new Intl.DateTimeFormat(root.lang, { dateStyle: 'medium', timeStyle: 'short' })
for (const t of document.querySelectorAll('time[data-when]')) {
  const at = new Date(t.dateTime)
  if (!Number.isNaN(at.getTime())) t.textContent = moment.format(at)
}

// By the clock, not by counting ticks: a sleeping tab wakes up with the truth.
for (const el of document.querySelectorAll('[data-countdown]')) {
  const end = performance.now() + Number(el.dataset.countdown) * 1000
  const tick = () => {
    const left = Math.max(0, Math.ceil((end - performance.now()) / 1000))
    const pad = (n) => String(n).padStart(2, '0')
    const hours = Math.floor(left / 3600)
    const clock = `${hours ? hours + ':' + pad(Math.floor(left / 60) % 60) : Math.floor(left / 60)}:${pad(left % 60)}`
    el.textContent = left > 0 ? clock : el.dataset.done
    if (left > 0) setTimeout(tick, 1000 - ((performance.now() - end) % 1000 + 1000) % 1000 || 1000)
  }
  el.hidden = false
  tick()
}

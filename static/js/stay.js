// Two minutes before the session ends a line says so, with a button to stay. What is done
// in one tab counts for all: each tells the others until when the session lasts by now.

const line = /** @type {HTMLElement} */ (document.getElementById('ending'))
const before = 120_000
const tabs = new BroadcastChannel('hilum-session')
/** @type {ReturnType<typeof setTimeout>} */
let timer
let end = 0

/** @param {number} at milliseconds, as of Date.now */
function ends(at) {
  if (at <= end) return
  end = at
  watch()
}

function watch() {
  clearTimeout(timer)
  const left = end - Date.now()
  line.hidden = left > before
  if (left > before) timer = setTimeout(watch, left - before)
  else if (left > 0) timer = setTimeout(watch, left)
  else {
    const over = document.createElement('p')
    over.textContent = line.dataset.over ?? ''
    line.replaceChildren(over)
  }
}

tabs.addEventListener('message', (event) => ends(Number(event.data)))
document.addEventListener('visibilitychange', watch) // a machine that slept
ends(Date.now() + Number(line.dataset.ends) * 1000)
tabs.postMessage(end)

line.querySelector('form')?.addEventListener('submit', async (event) => {
  event.preventDefault()
  const form = /** @type {HTMLFormElement} */ (event.currentTarget)
  try {
    const answer = await fetch(form.action, { method: 'POST', headers: { Accept: 'application/json' }, body: new URLSearchParams(), redirect: 'manual' })
    if (!answer.ok) { // signed out by now
      end = 0
      return watch()
    }
    const said = await answer.json()
    // It is not as long as before where the session lasts no longer whatever is done.
    if (said.last) form.hidden = true
    ends(Date.now() + said.ends * 1000)
    tabs.postMessage(end)
  } catch { /* offline: the button can be pressed again */ }
})

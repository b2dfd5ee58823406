// What kind of phone and browser this is, as far as it matters to people.

const agent = navigator.userAgent
export const ios = /iPhone|iPad|iPod/.test(agent) || /Macintosh/.test(agent) && navigator.maxTouchPoints > 1
export const installed = () => matchMedia('(display-mode: standalone), (display-mode: fullscreen)').matches || navigator.standalone === true
export const platform = ios ? 'ios' : /Android/.test(agent) ? 'android' : 'web'

// The browser offers to install once; the offer is kept for the button.
/** @type {BeforeInstallPromptEvent | undefined} */
let offer
addEventListener('beforeinstallprompt', (event) => {
  event.preventDefault()
  offer = event
  dispatchEvent(new Event('installable'))
})
addEventListener('appinstalled', () => { offer = undefined; dispatchEvent(new Event('installable')) })
export const installable = () => Boolean(offer)
export async function install() {
  const now = offer
  offer = undefined
  await now?.prompt()
}

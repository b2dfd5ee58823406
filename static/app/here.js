// A sign-in whose page is on this phone, in this very browser: its number need not be
// typed, and after the answer the page is come back to.

/**
 * The question that the page waits for, and the number that it shows; empty for a tap.
 * @typedef {{ id: string, cid: string, number: string }} Here
 */

/** @type {Here | undefined} */
export let here

let asked = ''

// carry asks the page of a sign-in for the number that it shows. The cookie that binds a
// browser to its sign-in goes with it: a link of a stranger leads to no number.
/** @param {string} id */
export async function carry(id) {
  if (id === asked || !/^[0-9A-Z]{26}$/.test(id)) return false
  asked = id
  try {
    const answer = await fetch('../login/' + id + '/here', { headers: { Accept: 'application/json' }, credentials: 'same-origin', redirect: 'error' })
    if (!answer.ok) return false
    const { cid, number } = await answer.json()
    here = { id, cid, number }
    return true
  } catch {
    return false // offline, or another browser's: the number is typed
  }
}

// leave goes back to the page after its question was answered.
/** @param {string} cid */
export function leave(cid) {
  if (here?.cid !== cid) return
  const back = '../login/' + here.id
  here = undefined
  if (window.opener) window.close() // it was opened beside the page
  setTimeout(() => location.replace(back), 300)
}

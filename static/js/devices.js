// Unlinking asks in a dialog; without script the link leads to a page that asks.

for (const link of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[data-dialog]'))) {
  const dialog = /** @type {HTMLDialogElement} */ (document.getElementById(link.dataset.dialog ?? ''))
  link.addEventListener('click', (event) => {
    event.preventDefault()
    dialog.showModal()
  })
  dialog.querySelector('[data-close]')?.addEventListener('click', () => dialog.close())
}

// Show-password buttons and the caps-lock hint.

for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[data-show]'))) {
  const field = /** @type {HTMLInputElement} */ (document.getElementById(button.dataset.show ?? ''))
  const labels = [button.getAttribute('aria-label') ?? '', button.dataset.label ?? '']
  /** @param {boolean} on */
  const show = (on) => {
    field.type = on ? 'text' : 'password'
    button.setAttribute('aria-pressed', String(on))
    button.setAttribute('aria-label', labels[on ? 1 : 0])
  }
  button.addEventListener('click', () => {
    show(field.type === 'password')
    field.focus()
  })
  // Sent as a password, so that the browser does not keep it as text.
  field.form?.addEventListener('submit', () => show(false))
  button.hidden = false
}

for (const hint of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[data-caps]'))) {
  const field = /** @type {HTMLInputElement} */ (document.getElementById(hint.dataset.caps ?? ''))
  /** @param {KeyboardEvent} event */
  const look = (event) => { hint.hidden = !(event.getModifierState && event.getModifierState('CapsLock')) }
  field.addEventListener('keydown', look)
  field.addEventListener('keyup', look)
  field.addEventListener('blur', () => { hint.hidden = true })
}

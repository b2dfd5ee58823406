// Copy and print buttons; without script they are not there.

for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[data-copy], [data-copy-text]'))) {
  if (!navigator.clipboard) continue
  const words = button.textContent
  button.hidden = false
  button.addEventListener('click', async () => {
    const { copy = '', copyText, done = '' } = button.dataset
    const text = copyText ?? document.getElementById(copy)?.textContent.replaceAll(' ', '')
    if (text === undefined) return
    await navigator.clipboard.writeText(text)
    button.textContent = done
    setTimeout(() => { button.textContent = words }, 2000)
  })
}

for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[data-print]'))) {
  button.hidden = false
  button.addEventListener('click', () => print())
}

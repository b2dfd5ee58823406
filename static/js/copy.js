// Copy and print buttons; without script they are not there.

for (const button of document.querySelectorAll('[data-copy], [data-copy-text]')) {
  if (!navigator.clipboard) continue
  const words = button.textContent
  button.hidden = false
  button.addEventListener('click', async () => {
    const text = button.dataset.copyText ?? document.getElementById(button.dataset.copy).textContent.replaceAll(' ', '')
    await navigator.clipboard.writeText(text)
    button.textContent = button.dataset.done
    setTimeout(() => { button.textContent = words }, 2000)
  })
}

for (const button of document.querySelectorAll('[data-print]')) {
  button.hidden = false
  button.addEventListener('click', () => print())
}

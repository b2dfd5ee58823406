// The colour field beside the typed one: each follows the other.

for (const pick of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll('input[type="color"][data-for]'))) {
  const typed = /** @type {HTMLInputElement} */ (document.getElementById(pick.dataset.for ?? ''))
  pick.hidden = false
  pick.addEventListener('input', () => { typed.value = pick.value })
  typed.addEventListener('input', () => { if (/^#[0-9a-f]{6}$/i.test(typed.value)) pick.value = typed.value.toLowerCase() })
}

// The six-digit field: keeps digits only and sends itself at the sixth, once
// for each code, and only when nothing else of the form is missing.

for (const field of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll('input[data-code]'))) {
  let sent = field.value
  field.addEventListener('input', () => {
    // Only fullwidth and other digits of the same value are folded; letters go.
    const digits = field.value.normalize('NFKC').replace(/\D/g, '').slice(0, 6)
    if (digits !== field.value) field.value = digits
    if (digits.length < 6 || digits === sent) return
    if (!field.form?.checkValidity()) return
    sent = digits
    field.form.requestSubmit()
  })
}

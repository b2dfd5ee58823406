// Goes on to the relying party by itself.

/** @type {HTMLFormElement | null} */ (document.querySelector('form[data-post-now]'))?.requestSubmit()

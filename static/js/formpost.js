// Goes on to the relying party by itself.

document.querySelector('form[data-post-now]')?.requestSubmit()

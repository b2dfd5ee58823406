// Reads QR codes with zxing-wasm, beside the page, so that nothing on it
// stands still meanwhile.

import { prepareZXingModule, readBarcodes } from './zxing/reader/index.js'

/** @import { Options } from './zxing/reader/index.js' */

/**
 * What comes, and what is answered, once for each picture: the texts that were found, or
 * why it could not look. only says that no further picture follows.
 * @typedef {{ id: number, image: { data: Uint8ClampedArray, width: number, height: number }, only: boolean }} Picture
 * @typedef {{ id: number, texts?: string[], fault?: string }} Found
 */

// Without this it would fetch its WebAssembly from elsewhere.
const wasm = new URL('./zxing/reader/zxing_reader.wasm', import.meta.url).href
prepareZXingModule({ overrides: { locateFile: () => wasm } })

/** @type {Options} */
const plain = { formats: ['QRCode'], textMode: 'Plain', maxNumberOfSymbols: 4, tryInvert: false }

// What is tried on a picture that there is only one of, the likeliest first.
/** @type {Options[]} */
const careful = [{ ...plain, tryInvert: true }, { ...plain, binarizer: 'GlobalHistogram' }]

addEventListener('message', async (/** @type {MessageEvent<Picture>} */ { data: { id, image, only } }) => {
  try {
    /** @type {string[]} */
    let texts = []
    for (const options of only ? careful : [plain]) {
      texts = (await readBarcodes(image, options)).filter((code) => code.isValid && code.text).map((code) => code.text)
      if (texts.length) break
    }
    postMessage(/** @satisfies {Found} */ ({ id, texts }))
  } catch (err) {
    postMessage(/** @satisfies {Found} */ ({ id, fault: String(err) }))
  }
})

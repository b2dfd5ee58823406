// Reads QR codes with zxing-wasm, beside the page, so that nothing on it
// stands still meanwhile.

import { prepareZXingModule, readBarcodes } from './zxing/reader/index.js'

// Without this it would fetch its WebAssembly from elsewhere.
const wasm = new URL('./zxing/reader/zxing_reader.wasm', import.meta.url).href
prepareZXingModule({ overrides: { locateFile: () => wasm } })

const plain = { formats: ['QRCode'], textMode: 'Plain', maxNumberOfSymbols: 4, tryInvert: false }

// What is tried on a picture that there is only one of, the likeliest first.
const careful = [{ ...plain, tryInvert: true }, { ...plain, binarizer: 'GlobalHistogram' }]

addEventListener('message', async ({ data: { id, image, only } }) => {
  try {
    let texts = []
    for (const options of only ? careful : [plain]) {
      texts = (await readBarcodes(image, options)).filter((code) => code.isValid && code.text).map((code) => code.text)
      if (texts.length) break
    }
    postMessage({ id, texts })
  } catch (err) {
    postMessage({ id, fault: String(err) })
  }
})

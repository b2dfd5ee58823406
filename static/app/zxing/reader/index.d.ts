// What we use of the reader; this file is ours, and not served.
export interface Options {
  formats: string[]
  textMode: 'Plain'
  maxNumberOfSymbols: number
  tryInvert: boolean
  binarizer?: 'GlobalHistogram'
}
export function prepareZXingModule(options: { overrides: { locateFile: () => string } }): void
export function readBarcodes(image: { data: Uint8ClampedArray, width: number, height: number }, options: Options): Promise<{ isValid: boolean, text: string }[]>

// What browsers have and the types of the language's library do not, as far as we use it.

// Barcode Detection (a draft of the WICG).
declare class BarcodeDetector {
  static getSupportedFormats(): Promise<string[]>
  constructor(options: { formats: string[] })
  detect(source: ImageBitmapSource): Promise<{ rawValue: string }[]>
}

// Chromium's offer to install a page.
interface BeforeInstallPromptEvent extends Event {
  prompt(): Promise<unknown>
}
interface WindowEventMap {
  beforeinstallprompt: BeforeInstallPromptEvent
}

interface Navigator {
  standalone?: boolean // Safari
  userAgentData: { getHighEntropyValues(hints: string[]): Promise<{ model: string }> } // Chromium
}

// Cameras of phones (Media Capture and Streams Extensions, a draft of the W3C).
interface MediaTrackCapabilities { torch?: boolean, focusMode?: string[] }
interface MediaTrackConstraintSet { torch?: boolean, focusMode?: string }
interface MediaTrackSettings { torch?: boolean }

// What static/app.go writes before the service worker.
declare const look: string // a digest of how the site presents itself
declare const extras: string[] // paths of what belongs to that
declare const version: string // the digest of all files
declare const files: string[] // paths of the app's own

// What notifications have beside what all browsers know (Notifications API; Vibration, Chromium).
interface NotificationOptions {
  actions?: { action: string, title: string }[]
  timestamp?: number
}

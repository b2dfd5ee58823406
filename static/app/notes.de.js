// The app's notifications in German, made of the catalogue: the sentences of the
// service worker, of which pages say some too.

export default {
  'ask.deny': 'Ablehnen',
  'ask.pair': 'Dieses Smartphone verknüpfen?',
  'ask.stepup': 'Bestätigen, dass Sie es sind',
  'ask.title': 'Anmelden bei {App}?',
  'push.changed': 'Ihre Geräte haben sich geändert',
  'push.changed.text': 'Eines wurde verknüpft oder getrennt. Öffnen, um es zu sehen.',
  'push.generic': 'Anmeldeanfrage',
  'push.generic.text': 'Zum Antworten öffnen.',
  'push.gone': 'Nichts zu tun: Sie ist schon beantwortet.',
  'push.not.denied': 'Ablehnen war von hier aus nicht möglich. Öffnen Sie die App.',
  'push.test': 'Test',
  'push.test.text': 'Benachrichtigungen kommen auf diesem Gerät an.',
  'push.text': '{Name} bei {Site}',
  'push.unlinked': '{Name} bei {Site} wurde getrennt.',
  'push.update': 'Öffnen Sie die App, um sie zu aktualisieren.',
}

// The lock of the app in German, made of the catalogue: fetched with it.

export default {
  'lock.lead': 'Das Smartphone fragt nach Fingerabdruck, Gesicht oder PIN, bevor diese App Codes zeigt und bevor eine Anmeldung bestätigt wird. Ablehnen fragt nie.',
  'lock.less': 'Dieser Browser kann die Bestätigung gegenüber einer Website nicht nachweisen. Wo bei der Anmeldung Fingerabdruck oder PIN verlangt wird, wird diese App nicht gefragt.',
  'lock.lost': 'Es geht nicht mehr',
  'lock.lost.go': 'Alle Konten entfernen',
  'lock.lost.lead': 'Wurde die Sperre in den Einstellungen des Smartphones gelöscht, lässt sie sich nicht mehr öffnen. Entfernen Sie alle Konten aus dieser App und verknüpfen Sie das Smartphone neu.',
  'lock.more': 'Konten, die Sie ab jetzt verknüpfen, weisen die Bestätigung auch dort nach, wo Fingerabdruck oder PIN verlangt wird. Für frühere Konten verknüpfen Sie dieses Smartphone neu.',
  'lock.none': 'Dieser Browser kann nicht nach Fingerabdruck, Gesicht oder PIN fragen. Richten Sie auf dem Smartphone eine Bildschirmsperre ein oder verwenden Sie einen anderen Browser.',
  'lock.off': 'Die App ist nicht gesperrt.',
  'lock.on': 'Die App ist gesperrt.',
  'lock.open': 'Entsperren',
  'lock.refused': 'Das Smartphone hat nicht bestätigt, dass Sie es sind. Versuchen Sie es erneut.',
  'lock.shut': 'Gesperrt',
  'lock.shut.lead': 'Entsperren Sie die App, um Codes und Konten zu sehen. Anmeldungen werden trotzdem angezeigt.',
  'lock.start': 'App sperren',
  'lock.stop': 'Sperre aufheben',
  'lock.title': 'App-Sperre',
}

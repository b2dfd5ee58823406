// The app's notifications in English, made of the catalogue: the sentences of the
// service worker, of which pages say some too.

export default {
  'ask.deny': 'Deny',
  'ask.pair': 'Link this phone?',
  'ask.stepup': 'Confirm that it is you',
  'ask.title': 'Sign in to {App}?',
  'push.changed': 'Your devices have changed',
  'push.changed.text': 'One was linked or unlinked. Open to see.',
  'push.generic': 'Sign-in request',
  'push.generic.text': 'Open to answer.',
  'push.gone': 'Nothing to do: it has been answered.',
  'push.not.denied': 'It could not be denied from here. Open the app.',
  'push.test': 'Test',
  'push.test.text': 'Notifications work on this device.',
  'push.text': '{Name} at {Site}',
  'push.unlinked': '{Name} at {Site} was unlinked.',
  'push.update': 'Open the app to update it.',
}

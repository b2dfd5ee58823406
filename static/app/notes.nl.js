// The app's notifications in Dutch, made of the catalogue: the sentences of the
// service worker, of which pages say some too.

export default {
  'ask.deny': 'Weigeren',
  'ask.pair': 'Deze telefoon koppelen?',
  'ask.stepup': 'Bevestig dat u het bent',
  'ask.title': 'Aanmelden bij {App}?',
  'push.changed': 'Uw toestellen zijn gewijzigd',
  'push.changed.text': 'Er is er een gekoppeld of ontkoppeld. Open om te kijken.',
  'push.generic': 'Aanmeldverzoek',
  'push.generic.text': 'Open om te antwoorden.',
  'push.gone': 'Niets te doen: het is al beantwoord.',
  'push.not.denied': 'Weigeren lukte van hieruit niet. Open de app.',
  'push.test': 'Test',
  'push.test.text': 'Meldingen komen op dit toestel aan.',
  'push.text': '{Name} bij {Site}',
  'push.unlinked': '{Name} bij {Site} is ontkoppeld.',
  'push.update': 'Open de app om ze bij te werken.',
}

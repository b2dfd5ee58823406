// The app's notifications in French, made of the catalogue: the sentences of the
// service worker, of which pages say some too.

export default {
  'ask.deny': 'Refuser',
  'ask.pair': 'Associer ce téléphone ?',
  'ask.stepup': 'Confirmez que c’est bien vous',
  'ask.title': 'Se connecter à {App} ?',
  'push.changed': 'Vos appareils ont changé',
  'push.changed.text': 'L’un d’eux a été associé ou dissocié. Ouvrez pour voir.',
  'push.generic': 'Demande de connexion',
  'push.generic.text': 'Ouvrez pour répondre.',
  'push.gone': 'Rien à faire : elle a reçu une réponse.',
  'push.not.denied': 'Le refus n’a pas abouti d’ici. Ouvrez l’app.',
  'push.test': 'Test',
  'push.test.text': 'Les notifications arrivent sur cet appareil.',
  'push.text': '{Name} chez {Site}',
  'push.unlinked': '{Name} chez {Site} a été dissocié.',
  'push.update': 'Ouvrez l’app pour la mettre à jour.',
}

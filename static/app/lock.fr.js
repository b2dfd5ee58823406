// The lock of the app in French, made of the catalogue: fetched with it.

export default {
  'lock.lead': 'Le téléphone demande votre empreinte, votre visage ou son code PIN avant que cette app affiche des codes et avant chaque approbation. Refuser ne demande jamais rien.',
  'lock.less': 'Ce navigateur ne peut pas prouver la confirmation à un site. Là où une connexion exige une empreinte ou un code PIN, cette app n’est pas sollicitée.',
  'lock.lost': 'Cela ne fonctionne plus',
  'lock.lost.go': 'Retirer tous les comptes',
  'lock.lost.lead': 'Si le verrou a été supprimé dans les réglages du téléphone, rien ne peut plus l’ouvrir. Retirez tous les comptes de cette app, puis associez à nouveau le téléphone.',
  'lock.more': 'Les comptes associés à partir de maintenant prouvent aussi la confirmation aux sites qui exigent une empreinte ou un code PIN. Pour les comptes précédents, associez à nouveau ce téléphone.',
  'lock.none': 'Ce navigateur ne peut demander ni empreinte, ni visage, ni code PIN. Configurez un verrouillage d’écran sur le téléphone ou utilisez un autre navigateur.',
  'lock.off': 'L’app n’est pas verrouillée.',
  'lock.on': 'L’app est verrouillée.',
  'lock.open': 'Déverrouiller',
  'lock.refused': 'Le téléphone n’a pas confirmé qu’il s’agit de vous. Réessayez.',
  'lock.shut': 'Verrouillée',
  'lock.shut.lead': 'Déverrouillez l’app pour voir vos codes et vos comptes. Les connexions sont affichées malgré tout.',
  'lock.start': 'Verrouiller l’app',
  'lock.stop': 'Retirer le verrou',
  'lock.title': 'Verrou de l’app',
}

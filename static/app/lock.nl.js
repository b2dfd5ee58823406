// The lock of the app in Dutch, made of the catalogue: fetched with it.

export default {
  'lock.lead': 'De telefoon vraagt om uw vingerafdruk, uw gezicht of de pincode voordat deze app codes toont en voordat u een aanmelding goedkeurt. Weigeren vraagt nooit iets.',
  'lock.less': 'Deze browser kan de bevestiging niet aan een site bewijzen. Waar bij het aanmelden een vingerafdruk of pincode nodig is, wordt deze app niet gevraagd.',
  'lock.lost': 'Het werkt niet meer',
  'lock.lost.go': 'Alle accounts verwijderen',
  'lock.lost.lead': 'Als de vergrendeling in de instellingen van de telefoon is verwijderd, kan niets haar nog openen. Verwijder alle accounts uit deze app en koppel de telefoon opnieuw.',
  'lock.more': 'Accounts die u vanaf nu koppelt, bewijzen de bevestiging ook aan sites die een vingerafdruk of pincode willen. Koppel deze telefoon opnieuw om dat ook voor eerdere accounts te hebben.',
  'lock.none': 'Deze browser kan niet om een vingerafdruk, gezicht of pincode vragen. Stel een schermvergrendeling in op de telefoon of gebruik een andere browser.',
  'lock.off': 'De app is niet vergrendeld.',
  'lock.on': 'De app is vergrendeld.',
  'lock.open': 'Ontgrendelen',
  'lock.refused': 'De telefoon heeft niet bevestigd dat u het bent. Probeer opnieuw.',
  'lock.shut': 'Vergrendeld',
  'lock.shut.lead': 'Ontgrendel de app om uw codes en accounts te zien. Aanmeldingen worden toch getoond.',
  'lock.start': 'App vergrendelen',
  'lock.stop': 'Vergrendeling opheffen',
  'lock.title': 'App-vergrendeling',
}

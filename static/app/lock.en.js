// The lock of the app in English, made of the catalogue: fetched with it.

export default {
  'lock.lead': 'The phone asks for your fingerprint, your face or its PIN before this app shows codes and before Login. Deny never asks.',
  'lock.less': 'This browser cannot prove the confirmation to a site. Where a site wants a fingerprint or PIN at sign-in, this app is not asked.',
  'lock.lost': 'It does not work any more',
  'lock.lost.go': 'Remove all accounts',
  'lock.lost.lead': 'If the lock was deleted in the phone’s settings, nothing opens it. Remove all accounts from this app and link the phone again.',
  'lock.more': 'Accounts that you link from now on also prove the confirmation to sites that want a fingerprint or PIN. Link this phone again to have that for accounts from before.',
  'lock.none': 'This browser cannot ask for a fingerprint, a face or a PIN. Set up a screen lock on the phone, or use another browser.',
  'lock.off': 'The app is not locked.',
  'lock.on': 'The app is locked.',
  'lock.open': 'Unlock',
  'lock.refused': 'The phone has not confirmed that it is you. Try again.',
  'lock.shut': 'Locked',
  'lock.shut.lead': 'Unlock the app to see your codes and accounts. Sign-ins are shown all the same.',
  'lock.start': 'Lock the app',
  'lock.stop': 'Remove the lock',
  'lock.title': 'App lock',
}

// passport-openidconnect: sign-in and userinfo. It has no PKCE, no refresh and no sign-out.
import express from 'express'
import passport from 'passport'
import session from 'express-session'
import Strategy from 'passport-openidconnect'

const { ISSUER, CLIENT_ID, CLIENT_SECRET, BASE } = process.env
passport.use(new Strategy({
  issuer: ISSUER, authorizationURL: ISSUER + '/authorize', tokenURL: ISSUER + '/token', userInfoURL: ISSUER + '/userinfo',
  clientID: CLIENT_ID, clientSecret: CLIENT_SECRET, callbackURL: BASE + '/callback', scope: ['profile', 'email'], skipUserProfile: false, nonce: true,
}, (issuer, profile, done) => done(null, { sub: profile.id, name: profile.displayName, issuer })))
passport.serializeUser((user, done) => done(null, user))
passport.deserializeUser((user, done) => done(null, user))

const app = express()
app.use(session({ secret: 'only-for-this-test', resave: false, saveUninitialized: false }))
app.use(passport.session())
app.get('/login', passport.authenticate('openidconnect'))
app.get('/callback', passport.authenticate('openidconnect', { successRedirect: '/', failWithError: true }))
app.get('/', (req, res) => { res.json(req.user ?? {}) })
app.listen(new URL(BASE).port, '127.0.0.1')

// openid-client: sign-in, refresh, userinfo and sign-out.
import * as oidc from 'openid-client'
import express from 'express'
import session from 'express-session'

const { ISSUER, CLIENT_ID, CLIENT_SECRET, BASE } = process.env
const config = await oidc.discovery(new URL(ISSUER), CLIENT_ID, undefined, oidc.ClientSecretBasic(CLIENT_SECRET))

const app = express()
app.use(session({ secret: 'only-for-this-test', resave: false, saveUninitialized: false }))

app.get('/login', async (req, res) => {
  const verifier = oidc.randomPKCECodeVerifier(), state = oidc.randomState(), nonce = oidc.randomNonce()
  req.session.asked = { verifier, state, nonce }
  res.redirect(oidc.buildAuthorizationUrl(config, {
    redirect_uri: BASE + '/callback', scope: 'openid profile email offline_access', state, nonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  }).href)
})

app.get('/callback', async (req, res) => {
  const { verifier, state, nonce } = req.session.asked
  const tokens = await oidc.authorizationCodeGrant(config, new URL(req.originalUrl, BASE), {
    pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true,
  })
  const { sub } = tokens.claims()
  req.session.user = await oidc.fetchUserInfo(config, tokens.access_token, sub)
  req.session.tokens = { refresh: tokens.refresh_token, id: tokens.id_token }
  res.redirect('/')
})

app.get('/refresh', async (req, res) => {
  const tokens = await oidc.refreshTokenGrant(config, req.session.tokens.refresh)
  res.json(await oidc.fetchUserInfo(config, tokens.access_token, req.session.user.sub))
})

app.get('/logout', (req, res) => {
  const { id } = req.session.tokens
  req.session.destroy(() => res.redirect(oidc.buildEndSessionUrl(config, { id_token_hint: id, post_logout_redirect_uri: BASE + '/' }).href))
})

app.get('/', (req, res) => { res.json(req.session.user ?? {}) })
app.listen(new URL(BASE).port, '127.0.0.1')

// oidc-client-ts, in the browser: sign-in, refresh, userinfo and sign-out. This program
// only sends the page and the library.
import { createServer } from 'node:http'
import { readFileSync } from 'node:fs'

const { ISSUER, CLIENT_ID, BASE, LIBRARIES } = process.env
const library = readFileSync(LIBRARIES + '/node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js')
const page = `<!doctype html><title>oidc-client-ts</title><pre id="said"></pre>
<button id="login">login</button> <button id="refresh">refresh</button> <button id="logout">logout</button>
<script src="/oidc.js"></script><script>
const users = new oidc.UserManager({
  authority: ${JSON.stringify(ISSUER)}, client_id: ${JSON.stringify(CLIENT_ID)}, redirect_uri: ${JSON.stringify(BASE + '/callback')},
  post_logout_redirect_uri: ${JSON.stringify(BASE + '/')}, scope: 'openid profile email offline_access', loadUserInfo: true, automaticSilentRenew: false,
})
const say = (what, user) => { document.getElementById('said').textContent = JSON.stringify({ what, sub: user?.profile.sub, name: user?.profile.name }) }
const try_ = (f) => () => f().catch((err) => say('failed: ' + err.message))
document.getElementById('login').onclick = try_(() => users.signinRedirect())
document.getElementById('refresh').onclick = try_(async () => say('refreshed', await users.signinSilent()))
document.getElementById('logout').onclick = try_(() => users.signoutRedirect())
if (location.pathname === '/callback') users.signinRedirectCallback().then((user) => say('signed in', user), (err) => say('failed: ' + err.message))
else say('nobody')
</script>`
createServer((req, res) => {
  const script = req.url === '/oidc.js'
  res.setHeader('Content-Type', script ? 'text/javascript' : 'text/html; charset=utf-8')
  res.end(script ? library : page)
}).listen(new URL(BASE).port, '127.0.0.1')

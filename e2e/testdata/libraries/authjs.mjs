// Auth.js (@auth/core): sign-in and userinfo. Refreshing is left to the application, and
// its sign-out ends its own session only.
import { Auth } from '@auth/core'
import { createServer } from 'node:http'

const { ISSUER, CLIENT_ID, CLIENT_SECRET, BASE } = process.env
const config = {
  basePath: '/auth', secret: 'only-for-this-test-only-for-this-test', trustHost: true,
  providers: [{
    id: 'hilum', name: 'Hilum', type: 'oidc', issuer: ISSUER, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET, idToken: false,
    checks: ['pkce', 'state', 'nonce'], authorization: { params: { scope: 'openid profile email' } },
    profile: ({ sub, name, email }) => ({ id: sub, name, email }),
  }],
  callbacks: {
    jwt: ({ token, profile }) => profile ? { ...token, sub: profile.sub, name: profile.name } : token,
    session: ({ session, token }) => ({ ...session, user: { sub: token.sub, name: token.name } }),
  },
}

// ask has Auth.js answer a request of a browser with this cookie.
const ask = (path, cookie, init = {}) => Auth(new Request(BASE + path, { ...init, headers: { ...init.headers, cookie } }), config)

createServer(async (req, res) => {
  const cookie = req.headers.cookie ?? ''
  if (req.url === '/') {
    const { user } = await (await ask('/auth/session', cookie)).json() ?? {}
    res.setHeader('Content-Type', 'application/json')
    return res.end(JSON.stringify(user ?? {}))
  }
  let answer
  if (req.url === '/login') { // what its own page does by a form
    const csrf = await ask('/auth/csrf', cookie)
    const { csrfToken } = await csrf.json()
    const own = csrf.headers.getSetCookie().map((c) => c.split(';')[0]).join('; ')
    answer = await ask('/auth/signin/hilum', own, {
      method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams({ csrfToken, callbackUrl: BASE + '/' }),
    })
  } else {
    answer = await ask(req.url, cookie)
  }
  res.writeHead(answer.status, { ...Object.fromEntries(answer.headers), 'set-cookie': answer.headers.getSetCookie() })
  res.end(await answer.text())
}).listen(new URL(BASE).port, '127.0.0.1')

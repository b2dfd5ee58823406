"""PyJWT: an API that takes access tokens in the form of JWTs (RFC 9068), by the provider's keys."""
import json
import os
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

import jwt

ISSUER, BASE, AUDIENCE = os.environ["ISSUER"], os.environ["BASE"], os.environ["CLIENT_ID"]
with urllib.request.urlopen(ISSUER + "/.well-known/openid-configuration", timeout=10) as answer:
    keys = jwt.PyJWKClient(json.load(answer)["jwks_uri"])


class API(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            token = self.headers["Authorization"].removeprefix("Bearer ")
            if jwt.get_unverified_header(token)["typ"].lower() != "at+jwt":
                raise jwt.InvalidTokenError("not an access token")
            claims = jwt.decode(token, keys.get_signing_key_from_jwt(token), algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER,
                                options={"require": ["exp", "iat", "sub", "aud", "iss", "jti"]})
            status, body = 200, {"sub": claims["sub"], "scope": claims["scope"]}
        except Exception as fault:  # everything that is not a good token
            status, body = 401, {"fault": str(fault)}
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())


HTTPServer(("127.0.0.1", urlsplit(BASE).port), API).serve_forever()

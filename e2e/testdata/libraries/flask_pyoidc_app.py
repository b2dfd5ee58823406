"""Flask-pyoidc: sign-in, refresh, userinfo and sign-out."""
import os
from urllib.parse import urlsplit

from flask import Flask, jsonify, redirect, session
from flask_pyoidc import OIDCAuthentication
from flask_pyoidc.provider_configuration import ClientMetadata, ProviderConfiguration
from flask_pyoidc.user_session import UserSession

ISSUER, BASE = os.environ["ISSUER"], os.environ["BASE"]
app = Flask(__name__)
app.config.update(SECRET_KEY="only-for-this-test", OIDC_REDIRECT_URI=BASE + "/callback", SERVER_NAME=urlsplit(BASE).netloc)
hilum = ProviderConfiguration(
    issuer=ISSUER, client_metadata=ClientMetadata(os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"], post_logout_redirect_uris=[BASE + "/logout"]),
    auth_request_params={"scope": ["openid", "profile", "email", "offline_access"]})
auth = OIDCAuthentication({"hilum": hilum}, app)


@app.get("/login")
@auth.oidc_auth("hilum")
def login():
    return redirect("/")


@app.get("/")
def home():
    return jsonify(UserSession(session).userinfo or {} if "current_provider" in session else {})


@app.get("/refresh")
@auth.oidc_auth("hilum")
def refresh():
    before = UserSession(session).access_token
    after = auth.valid_access_token(force_refresh=True)
    assert after and after != before
    return jsonify(auth.clients["hilum"].userinfo_request(after).to_dict())


@app.get("/logout")
@auth.oidc_logout
def logout():
    return redirect("/")


app.run("127.0.0.1", urlsplit(BASE).port)

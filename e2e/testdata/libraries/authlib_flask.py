"""Authlib with Flask: sign-in, refresh, userinfo and sign-out."""
import os
from urllib.parse import urlencode, urlsplit

from authlib.integrations.flask_client import OAuth
from flask import Flask, jsonify, redirect, session

ISSUER, BASE = os.environ["ISSUER"], os.environ["BASE"]
app = Flask(__name__)
app.secret_key = "only-for-this-test"
hilum = OAuth(app).register(
    "hilum", client_id=os.environ["CLIENT_ID"], client_secret=os.environ["CLIENT_SECRET"],
    server_metadata_url=ISSUER + "/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile email offline_access", "code_challenge_method": "S256"})
tokens = {}  # by sub; a cookie would be too small for them


@app.get("/login")
def login():
    return hilum.authorize_redirect(BASE + "/callback")


@app.get("/callback")
def callback():
    token = hilum.authorize_access_token()
    sub = token["userinfo"]["sub"]  # claims of the ID token
    tokens[sub] = token
    session["user"] = dict(hilum.userinfo(token=token))
    assert session["user"]["sub"] == sub
    return redirect("/")


@app.get("/refresh")
def refresh():
    sub = session["user"]["sub"]
    old = tokens[sub]
    tokens[sub] = hilum.fetch_access_token(grant_type="refresh_token", refresh_token=old["refresh_token"])
    tokens[sub].setdefault("id_token", old["id_token"])
    return jsonify(dict(hilum.userinfo(token=tokens[sub])))


@app.get("/logout")
def logout():
    token = tokens.pop(session.pop("user")["sub"])
    end = hilum.load_server_metadata()["end_session_endpoint"]
    return redirect(end + "?" + urlencode({"id_token_hint": token["id_token"], "post_logout_redirect_uri": BASE + "/"}))


@app.get("/")
def home():
    return jsonify(session.get("user", {}))


app.run("127.0.0.1", urlsplit(BASE).port)

"""mozilla-django-oidc: sign-in, userinfo, refresh (a new sign-in without asking, prompt=none) and sign-out."""
import os
import tempfile
from urllib.parse import urlencode, urlsplit
from wsgiref.simple_server import make_server

import django
import requests
from django.conf import settings

ISSUER, BASE = os.environ["ISSUER"], os.environ["BASE"]
meta = requests.get(ISSUER + "/.well-known/openid-configuration", timeout=10).json()
settings.configure(
    DEBUG=False, SECRET_KEY="only-for-this-test", ALLOWED_HOSTS=["127.0.0.1"], ROOT_URLCONF=__name__, DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(tempfile.mkdtemp(), "db")}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "mozilla_django_oidc"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", "django.contrib.auth.middleware.AuthenticationMiddleware"],
    AUTHENTICATION_BACKENDS=["mozilla_django_oidc.auth.OIDCAuthenticationBackend"],
    OIDC_RP_CLIENT_ID=os.environ["CLIENT_ID"], OIDC_RP_CLIENT_SECRET=os.environ["CLIENT_SECRET"], OIDC_RP_SIGN_ALGO="RS256", OIDC_RP_SCOPES="openid profile email",
    OIDC_OP_AUTHORIZATION_ENDPOINT=meta["authorization_endpoint"], OIDC_OP_TOKEN_ENDPOINT=meta["token_endpoint"],
    OIDC_OP_USER_ENDPOINT=meta["userinfo_endpoint"], OIDC_OP_JWKS_ENDPOINT=meta["jwks_uri"], OIDC_USE_PKCE=True, OIDC_TOKEN_USE_BASIC_AUTH=True,
    OIDC_STORE_ID_TOKEN=True, OIDC_OP_LOGOUT_URL_METHOD=__name__ + ".end_session", ALLOW_LOGOUT_GET_METHOD=True, LOGIN_REDIRECT_URL="/", LOGOUT_REDIRECT_URL="/")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponseRedirect, JsonResponse  # noqa: E402
from django.urls import include, path  # noqa: E402


def end_session(request):
    return meta["end_session_endpoint"] + "?" + urlencode({"id_token_hint": request.session["oidc_id_token"], "post_logout_redirect_uri": BASE + "/"})


def home(request):
    return JsonResponse({"name": request.user.email} if request.user.is_authenticated else {})


urlpatterns = [
    path("", home),
    path("login", lambda request: HttpResponseRedirect("/oidc/authenticate/")),
    path("oidc/", include("mozilla_django_oidc.urls")),
    path("logout", lambda request: HttpResponseRedirect("/oidc/logout/")),
]

call_command("migrate", verbosity=0)
make_server("127.0.0.1", urlsplit(BASE).port, get_wsgi_application()).serve_forever()

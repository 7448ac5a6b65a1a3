"""Settings of the portal. Everything a deployment changes is one environment variable.

KCLOUD_HOME           where keys, the embedded database and runtime files live (default: .run in the checkout)
KCLOUD_SECRET_KEY     Django's signing key (default: made once, kept in KCLOUD_HOME)
KCLOUD_MASTER_KEY     the key that encrypts credentials and cluster keys at rest, base64 of 32 bytes
                      (default: made once, kept in KCLOUD_HOME, outside the database)
KCLOUD_MASTER_KEY_OLD earlier master keys, comma separated: they open and do not seal (manage.py secrets rotate)
DATABASE_URL          sqlite:///… (embedded profile) or postgres://… (large profile)
KCLOUD_QUEUE_URL      empty: the database carries wake-ups; redis://… : Redis does, the database while that is away
KCLOUD_HOSTS          host names the portal answers to, comma separated
KCLOUD_PUBLIC_URL     the address people open the portal at, for links in messages of webhooks
                      (default: the first of KCLOUD_HOSTS behind TLS, else where the portal listens)
KCLOUD_HTTPS          true behind TLS: secure cookies and HSTS
KCLOUD_BUNDLES        directory of release bundles
KCLOUD_PROXIES        how many proxies of ours stand before the portal: whose X-Forwarded-For tells the client's address
KCLOUD_WEBHOOKS_INTERNAL   true: webhooks may go to internal addresses, and by plain HTTP (default: false)
KCLOUD_API_RATE       requests a token may send ("600/min"); KCLOUD_API_RATE_ADDRESS: a network address ("1200/min")
KCLOUD_FENCING_PROGRAMS   whole paths of programs that may power hosts off, comma separated (default: /usr/bin/ipmitool)
KCLOUD_WITNESSES      addresses ("10.0.0.1:53"), comma separated, of which one at least answers by TCP while the portal
                      is not cut off itself: when all are silent no node is healed (default: the gateway if it answers)

The store of applications' log lines (docs/logs.md); without one, lines are read from the clusters:
KCLOUD_LOGS_ADDRESS   where the portal's own VictoriaLogs listens, comma separated; the portal uses the first (default:
                      none); the address nodes reach has to be one of them
KCLOUD_LOGS_KEEP      how long it keeps lines: 12h, 30d, 1y (default: 30d)
KCLOUD_LOGS_URL       instead: a VictoriaLogs somewhere else, with user and password if it asks for them
KCLOUD_LOGS_NODE_URL  where nodes reach the store, without user and password (default: the same address, or the first
                      that is not loopback)

The platform's own image registry (docs/registry.md):
KCLOUD_REGISTRY_HOST  what images in it are called by (default: registry.kcloud.local:5000)
KCLOUD_REGISTRY_ADDRESS   where it listens, comma separated; the portal uses the first (default: 127.0.0.1:5000);
                      "off": no registry
KCLOUD_REGISTRY_NODE_ADDRESS   where nodes of clusters reach it (default: the first that is not loopback)
KCLOUD_REGISTRIES_INTERNAL   true: images may come from registries at internal addresses (default: false)

Mail (invitations, new passwords; without a server mails are kept as files in KCLOUD_HOME/mail, the inviter is shown
the link, and nobody can ask for a new password by mail):
KCLOUD_MAIL_URL       smtp://name:password@host:25, smtp+tls://… or smtp+ssl://…
KCLOUD_MAIL_FROM      the sender's address (default: kcloud@localhost)

Sign-in (docs/sign-in.md):
KCLOUD_OIDC_ISSUER    the OpenID provider people may sign in with: https://login.example.com/realms/main
KCLOUD_OIDC_CLIENT_ID, KCLOUD_OIDC_CLIENT_SECRET   what the provider knows this portal by
KCLOUD_OIDC_NAME      what the button says (default: the company account)
KCLOUD_OIDC_LINK_BY_EMAIL   true: an identity whose address the provider has verified opens the account with that
                      address (default: false)
KCLOUD_OPERATOR_MFA   true: a platform operator without a second factor can do nothing but set one up (default: false)
"""

from datetime import timedelta
from pathlib import Path

import environ
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from kcloud_site.keyfiles import read_or_make_key

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

HOME = Path(env.str("KCLOUD_HOME", default=str(BASE_DIR / ".run")))
DEBUG = env.bool("KCLOUD_DEBUG", default=False)
SECRET_KEY = env.str("KCLOUD_SECRET_KEY", default="") or read_or_make_key(HOME / "secret.key")
# Empty: the key is in the file, which is looked up each time (kcloud_site/tenants/encryption.py).
MASTER_KEY = env.str("KCLOUD_MASTER_KEY", default="")
OLD_MASTER_KEYS = env.list("KCLOUD_MASTER_KEY_OLD", default=[])
MASTER_KEY_FILE = HOME / "master.key"
if not MASTER_KEY:
    read_or_make_key(MASTER_KEY_FILE)
ALLOWED_HOSTS = env.list("KCLOUD_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
HTTPS = env.bool("KCLOUD_HTTPS", default=False)
_LISTENING = f"http://{env.str('KCLOUD_BIND', default='127.0.0.1:8000')}"
PUBLIC_URL = env.str("KCLOUD_PUBLIC_URL", default="").rstrip("/") or (
    f"https://{ALLOWED_HOSTS[0]}" if HTTPS and ALLOWED_HOSTS else _LISTENING
)
BUNDLES_DIR = Path(env.str("KCLOUD_BUNDLES", default=str(Path.home() / ".cache/kcloud/bundles")))

INSTALLED_APPS = [
    "kcloud_site.apps.PlatformAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "kcloud_site.apps.ServedFilesConfig",
    "django_htmx",
    "template_partials",
    "rest_framework",
    "knox",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "django_q",
    "guardian",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.mfa",
    "allauth.usersessions",
    "kcloud_site.apps.SiteConfig",
    "kcloud_site.rest",
    "kcloud_site.audit",
    "kcloud_site.tenants",
    "kcloud_site.operations",
    "kcloud_site.webhooks",
    "kcloud_site.sign_in",
    "clusters",
    "apps",
    "scaling",
    "stacks",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "kcloud_site.middleware.PreferencesMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "kcloud_site.middleware.ConsoleHeadersMiddleware",
]

ROOT_URLCONF = "kcloud_site.urls"
WSGI_APPLICATION = "kcloud_site.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "kcloud_site.context_processors.console",
            ],
            "builtins": ["kcloud_site.templatetags.kcloud"],
        },
    }
]

DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{HOME / 'kcloud.sqlite3'}")}
DATABASES["default"]["CONN_MAX_AGE"] = 600
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # Writers queue at BEGIN instead of failing at COMMIT; readers go on (WAL).
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=20000;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = [
    "allauth.account.auth_backends.AuthenticationBackend",
    "guardian.backends.ObjectPermissionBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "login"

# Sign-in is django-allauth's; kcloud_site/sign_in/ has its pages and what it does at each step.
ALLAUTH_TRUSTED_PROXY_COUNT = env.int("KCLOUD_PROXIES", default=0)
ACCOUNT_ADAPTER = "kcloud_site.sign_in.hooks.AccountHooks"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_ENABLED = False
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_REAUTHENTICATION_METHODS = ("password", "mfa")
ACCOUNT_SESSION_COOKIE_AGE = 8 * 3600  # "Keep me signed in for 8 hours"
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
# Wrong passwords and codes are counted in the database, for all processes (kcloud_site/sign_in/services.py).
ACCOUNT_RATE_LIMITS = {"login": None, "login_failed": None, "reauthenticate": None}

OPERATOR_MFA = env.bool("KCLOUD_OPERATOR_MFA", default=False)
MFA_ADAPTER = "kcloud_site.sign_in.hooks.SecondFactorHooks"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_TOTP_ISSUER = "KCloud"
# Without TLS browsers offer passkeys on localhost only, and the key's own hash of the host name is checked anyway.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not HTTPS

OIDC_ISSUER = env.str("KCLOUD_OIDC_ISSUER", default="")
OIDC_NAME = env.str("KCLOUD_OIDC_NAME", default="")
SOCIALACCOUNT_ADAPTER = "kcloud_site.sign_in.hooks.CompanyHooks"
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
SOCIALACCOUNT_EMAIL_AUTHENTICATION = env.bool("KCLOUD_OIDC_LINK_BY_EMAIL", default=False)
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
# A link starts it: a form's answer may not lead to the provider's host (form-action in the policy below).
SOCIALACCOUNT_LOGIN_ON_GET = True
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": "company",
                "name": OIDC_NAME or "OpenID Connect",
                "client_id": env.str("KCLOUD_OIDC_CLIENT_ID", default=""),
                "secret": env.str("KCLOUD_OIDC_CLIENT_SECRET", default=""),
                "settings": {"server_url": OIDC_ISSUER},
            }
        ]
        if OIDC_ISSUER
        else [],
    }
}

MAIL_URL = env.str("KCLOUD_MAIL_URL", default="")
if MAIL_URL:
    vars().update(env.email_url_config(MAIL_URL))
else:
    EMAIL_BACKEND, EMAIL_FILE_PATH = "django.core.mail.backends.filebased.EmailBackend", str(HOME / "mail")
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("KCLOUD_MAIL_FROM", default="kcloud@localhost")
GUARDIAN_MONKEY_PATCH_USER = False
ANONYMOUS_USER_NAME = None

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "中文")]
LOCALE_PATHS = [BASE_DIR / "kcloud_site" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = env.str("KCLOUD_TIME_ZONE", default="UTC")

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# Pages name files by their hash only; the unhashed copies would be packed for nobody.
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
# Source maps are large and read by nobody but a developer: packing them would be half of the collecting.
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = (
    "jpg",
    "jpeg",
    "png",
    "gif",
    "webp",
    "gz",
    "br",
    "woff",
    "woff2",
    "map",
)

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "frame-ancestors": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
    }
}
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "kcloud_site.tenants.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "kcloud_site.rest.schema.Schema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "kcloud_site.rest.pages.Pages",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_THROTTLE_CLASSES": ["kcloud_site.rest.throttles.TokenThrottle"],
    "EXCEPTION_HANDLER": "kcloud_site.problems.problem_response",
    # Whose X-Forwarded-For is believed when addresses are counted; 0: nobody's.
    "NUM_PROXIES": ALLAUTH_TRUSTED_PROXY_COUNT,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
API_RATES = {
    "token": env.str("KCLOUD_API_RATE", default="600/min"),
    "address": env.str("KCLOUD_API_RATE_ADDRESS", default="1200/min"),
}
# The programs that may power machines off (clusters.healing.fencing); nobody names another in the console.
FENCING_PROGRAMS = env.list("KCLOUD_FENCING_PROGRAMS", default=["/usr/bin/ipmitool"])
# Whom the portal asks whether it is cut off itself (clusters.healing.own_network); empty: its default gateway.
OWN_WITNESSES = env.list("KCLOUD_WITNESSES", default=[])
LOGS_URL = env.str("KCLOUD_LOGS_URL", default="")
LOGS_NODE_URL = env.str("KCLOUD_LOGS_NODE_URL", default="")
LOGS_ADDRESSES = [each for each in env.list("KCLOUD_LOGS_ADDRESS", default=[]) if each not in ("", "off")]
LOGS_KEEP = env.str("KCLOUD_LOGS_KEEP", default="30d")
LOGS_HOME = HOME / "logs"
REGISTRY_HOST = env.str("KCLOUD_REGISTRY_HOST", default="registry.kcloud.local:5000")
REGISTRY_ADDRESSES = [
    address
    for address in env.list("KCLOUD_REGISTRY_ADDRESS", default=["127.0.0.1:5000"])
    if address not in ("", "off")
]
REGISTRY_NODE_ADDRESS = env.str("KCLOUD_REGISTRY_NODE_ADDRESS", default="") or next(
    (each for each in REGISTRY_ADDRESSES if not each.startswith(("127.", "localhost", "[::1]"))), ""
)
REGISTRY_HOME = HOME / "registry"
# Where the registry finds the portal, to pass requests for tokens on.
REGISTRY_PORTAL = _LISTENING
REGISTRIES_INTERNAL = env.bool("KCLOUD_REGISTRIES_INTERNAL", default=False)
WEBHOOKS_INTERNAL = env.bool("KCLOUD_WEBHOOKS_INTERNAL", default=False)
# Our own model stands in for knox's table, which its migrations would make all the same.
MIGRATION_MODULES = {"knox": None}
KNOX_TOKEN_MODEL = "tenants.ApiToken"  # noqa: S105 (a model)
REST_KNOX = {"TOKEN_PREFIX": "kc_", "TOKEN_TTL": timedelta(days=30)}
SPECTACULAR_SETTINGS = {
    "TITLE": "KCloud API",
    "VERSION": "1",
    "DESCRIPTION": "Nouns with `spec` (what is wanted) and `status` (what is there). See docs/api.md.",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    # Closed groups: a page with every address open takes the browser half a minute to draw.
    "SWAGGER_UI_SETTINGS": {"docExpansion": "none", "deepLinking": True, "defaultModelsExpandDepth": -1},
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "TenantRole": "kcloud_site.tenants.models.tenants.ROLE_CHOICES",
        "TokenRole": "kcloud_site.tenants.api.tokens.ROLE_CHOICES",
        "OperationState": "kcloud_site.operations.models.State",
        "HostState": "clusters.models.Host.State",
        "ClusterState": "clusters.models.Cluster.State",
        "EnvironmentState": "clusters.models.Environment.State",
        "RequestState": "clusters.models.TenantRequest.State",
        "RequestKind": "clusters.models.TenantRequest.Kind",
        "CredentialKind": "clusters.models.Credential.Kind",
        "BundleState": "clusters.models.Bundle.State",
        "HealingMode": "apps.models.HealingConsent.Mode",
        "ConfigKind": ["variable", "file"],
        "EntryFormat": ["text", "json", "yaml", "properties"],
        "ExchangeFormat": "apps.configuring.exchange.FORMATS",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "kcloud_site.rest.schema.finish",
    ],
}

# django-q2 carries wake-ups only; what it loses or doubles does no harm (kcloud_site/operations/queue.py).
QUEUE_URL = env.str("KCLOUD_QUEUE_URL", default="")
_QUEUE = {
    "name": "default",
    "workers": env.int("KCLOUD_WORKERS", default=2),
    "timeout": 300,
    "retry": 330,
    "max_attempts": 1,
    "ack_failures": True,
    "poll": 0.2,
    "save_limit": -1,
    "catch_up": False,
    "scheduler": False,
    "recycle": 500,
    "label": "Wake-ups",
    "orm": "default",
    **(
        {"redis": QUEUE_URL, "broker_class": "kcloud_site.operations.broker.RedisOrDatabase"}
        if QUEUE_URL
        else {}
    ),
    "ALT_CLUSTERS": {
        "provisioning": {"timeout": 6 * 3600, "retry": 6 * 3600 + 60, "max_attempts": 1, "workers": 2}
    },
}
Q_CLUSTER = _QUEUE

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("KCLOUD_LOG_LEVEL", default="INFO")},
}
_IN_PROCESS = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
CACHES = {
    "default": _IN_PROCESS,
    # What throttles count: shared by all web processes where there is Redis (docs/decisions).
    "throttles": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": QUEUE_URL}
    if QUEUE_URL.startswith("redis")
    else {**_IN_PROCESS, "LOCATION": "throttles"},
}
LANGUAGE_NAMES = {"en": _("English"), "zh-hans": _("Chinese")}

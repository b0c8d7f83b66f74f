"""Django's settings. Everything that differs between installations comes from `config.env`."""

import os
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from config.env import read_settings

FACTFOLD = read_settings(os.environ)

BASE_DIR = Path(__file__).parent.parent
SECRET_KEY = FACTFOLD.secret_key
ALLOWED_HOSTS = list(FACTFOLD.allowed_hosts)
DEBUG = False

INSTALLED_APPS = [
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "commands",
    "queries",
    "projections",
    "mcp_tools",
    "config.access",
    "config",
]
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "config.urls"
# The write side does not know who reads; it is told whom to ask how far they are.
COMMANDS_BACKLOG = "projections.vital_signs.read_backlog"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
STATIC_URL = "static/"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
USE_I18N = False
# Command bodies are limited where they are read, with an answer that says so.
DATA_UPLOAD_MAX_MEMORY_SIZE = None

_CONNECTION = conninfo_to_dict(FACTFOLD.database_url)
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        **{key.upper(): _CONNECTION.pop(key, "") for key in ("user", "password", "host", "port")},
        "NAME": _CONNECTION.pop("dbname", ""),
        "OPTIONS": _CONNECTION,
    }
}

REST_FRAMEWORK = {
    "EXCEPTION_HANDLER": "config.problem_details.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "UNAUTHENTICATED_USER": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Factfold",
    "DESCRIPTION": "Companies' reported figures, already worked out, each with its source and its freshness.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.1",
    "LICENSE": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/v1",
    "SORT_OPERATION_PARAMETERS": False,
    "SERVERS": [{"url": "/", "description": "This installation"}],
    "TAGS": [
        {"name": "Figures", "description": "Values of companies and figures over groups of them."},
        {"name": "Companies", "description": "Companies and their filings."},
        {"name": "Catalogue", "description": "What can be asked for."},
        {"name": "Status", "description": "How fresh the figures are."},
        {"name": "Changes", "description": "What to refresh of an answer had before."},
        {"name": "Commands", "description": "What is to become part of the log."},
    ],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "queries.rest.openapi.add_common_parts",
        "config.access_schema.add_access",
    ],
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
        "json": {"()": "config.logs.JsonLines"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": FACTFOLD.log}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {name: {"level": "INFO"} for name in ("config", "commands", "projections", "queries", "mcp_tools")},
}

"""What is the same for everybody: the OpenAPI documents and the page that shows them, with its assets."""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources

import msgspec
import orjson

from queries.rest.openapi import build_document

_ASSETS = "static/drf_spectacular_sidecar/swagger-ui-dist"
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".png": "image/png"}

_DOCS = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Factfold API</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<noscript>The page needs JavaScript. The document itself: <a href="/schema/openapi.json">openapi.json</a></noscript>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_START = b"""SwaggerUIBundle({
  url: "/schema/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout"
});
"""
_ONLY_OURS = (
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Page(msgspec.Struct, frozen=True):
    """Bytes that stand at a path, with the headers that come with them; those of `kept` come without them, too."""

    body: bytes
    etag: bytes
    kept: tuple[tuple[bytes, bytes], ...]
    headers: tuple[tuple[bytes, bytes], ...]


@cache
def make_pages() -> Mapping[str, Page]:
    """This will write the documents and load the page's assets, once a process."""
    schema_31 = orjson.dumps(build_document("3.1.1"))
    schema_30 = orjson.dumps(build_document("3.0.3"))
    assets = resources.files("drf_spectacular_sidecar").joinpath(_ASSETS)
    pages = {
        "/schema/openapi.json": _page(schema_31, "application/json"),
        "/schema/openapi-3.0.json": _page(schema_30, "application/json"),
        "/docs": _page(_DOCS, "text/html; charset=utf-8", policy=_ONLY_OURS),
        "/docs/start.js": _page(_START, _TYPES[".js"]),
    }
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"):
        pages[f"/docs/{name}"] = _page(assets.joinpath(name).read_bytes(), _TYPES[name[name.rindex(".") :]])
    return pages


def _page(body: bytes, content_type: str, *, policy: bytes | None = None) -> Page:
    etag = b'"%b"' % hashlib.blake2b(body, digest_size=8).hexdigest().encode()
    kept = [(b"etag", etag), (b"cache-control", b"public, max-age=60, stale-while-revalidate=600")]
    if policy is not None:
        kept.append((b"content-security-policy", policy))
    headers = [(b"content-type", content_type.encode()), (b"content-length", b"%d" % len(body)), *kept]
    return Page(body, etag, tuple(kept), tuple(headers))

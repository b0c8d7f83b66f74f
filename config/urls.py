"""Everything that does not need the hop-free path: writes, schema, documentation pages, static files."""

from django.contrib.staticfiles.views import serve
from django.urls import URLPattern, URLResolver, path, re_path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerView

import commands.rest

urlpatterns: list[URLPattern | URLResolver] = [
    *commands.rest.urlpatterns,
    path("schema/openapi.json", SpectacularJSONAPIView.as_view(), name="openapi"),
    path("docs", SpectacularSwaggerView.as_view(url_name="openapi"), name="docs"),
    # Swagger UI's assets come from the sidecar package, so that the page works without the internet.
    re_path(r"^static/(?P<path>.+)$", serve, {"insecure": True}),
]

handler404 = "config.problem_details.page_not_found"
handler500 = "config.problem_details.server_error"

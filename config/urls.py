"""
What Django answers, and what drf-spectacular documents.

Commands come here. Reads are answered before Django is asked; their views stand here as declarations.
"""

from django.urls import URLPattern, URLResolver

import commands.rest.urls
import queries.rest.views

urlpatterns: list[URLPattern | URLResolver] = [
    *commands.rest.urls.urlpatterns,
    *queries.rest.views.urlpatterns,
]

handler404 = "config.problem_details.page_not_found"
handler500 = "config.problem_details.server_error"

"""Where commands are sent to."""

from django.urls import path

from commands.catalog import COMMANDS
from commands.rest.batch import BatchView
from commands.rest.command_result import CommandResultView
from commands.rest.one_command import view_of

urlpatterns = [
    path("v1/commands", BatchView.as_view(), name="command-batch"),
    *(path(f"v1/commands/{name}", view_of(name).as_view(), name=f"command-{name}") for name in COMMANDS),
    path("v1/commands/<path:id>", CommandResultView.as_view(), name="command-result"),
]

"""MCP over standard input and output, for agents that start their servers themselves."""

import asyncio
import logging
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from mcp.server.stdio import stdio_server

from mcp_tools.server import make_server
from queries.connections import ReadSources


class Command(BaseCommand):
    """This will answer MCP on standard input and output until the input ends."""

    help = "Answer MCP over standard input and output."

    def handle(self, *args: Any, **options: Any) -> None:
        # Standard output belongs to the protocol.
        logging.basicConfig(stream=sys.stderr)
        asyncio.run(_serve())


async def _serve() -> None:
    sources = ReadSources(settings.FACTFOLD)
    await sources.open()
    try:
        server = make_server(sources)
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())
    finally:
        await sources.close()

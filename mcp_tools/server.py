"""The MCP server: the same questions and answers as REST, over stateless streamable HTTP or stdio."""

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

from mcp import MCPError
from mcp.server import CacheHint, Server, ServerRequestContext
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
)

from mcp_tools.answers import encode, refusal, table
from mcp_tools.tools import DerivedTool, derive_tools
from queries.connections import ReadSettings, ReadSources
from queries.errors import QueryError
from queries.rest.openapi import build_document
from queries.rest.operation import ask
from queries.service.arguments import read_arguments

MAX_BODY_BYTES = 64 * 1024

_INSTRUCTIONS = (
    "Companies' reported figures from SEC filings, read-only. Start with search to find ids of companies and metrics; "
    "get_metrics gives values over time, get_aggregates figures over sectors and industries, explain_value the "
    "filings behind a value. Every answer has meta.position and meta.fresh_at; quote them with figures. Values are "
    "exact decimal text; null is never zero: reason says why there is no value."
)

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class ReadSide(Protocol):
    """The part of the read side that is shared: its connections."""

    @property
    def sources(self) -> ReadSources: ...


def create_app(settings: ReadSettings, read_side: ReadSide) -> "McpApp":
    """This will make the MCP door of an installation; `lifespan()` has to run while it answers."""
    return McpApp(settings, read_side.sources)


class McpApp:
    """An ASGI application that answers POST with MCP and everything else with 405."""

    def __init__(self, settings: ReadSettings, sources: ReadSources) -> None:
        self._settings = settings
        self._sources = sources
        self._manager: StreamableHTTPSessionManager | None = None

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """This will derive the tools and hold what requests need."""
        manager = StreamableHTTPSessionManager(
            make_server(self._sources),
            stateless=True,
            # Plain JSON would keep a handler running after its reader has gone.
            json_response=False,
            security_settings=_known_names(self._settings.allowed_hosts),
            max_request_body_size=MAX_BODY_BYTES,
        )
        async with manager.run():
            self._manager = manager
            try:
                yield
            finally:
                self._manager = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Without sessions a GET would hold a stream open for nothing, and a DELETE has nothing to end.
        if scope["method"] != "POST" or self._manager is None:
            status = 405 if self._manager is not None else 503
            headers = [(b"allow", b"POST"), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        await self._manager.handle_request(scope, receive, send)


def make_server(sources: ReadSources) -> Server[Any]:
    """This will make the server over open or not yet opened connections."""
    tools = derive_tools(build_document("3.1.1"))

    async def list_tools(
        context: ServerRequestContext[Any], parameters: PaginatedRequestParams | None
    ) -> ListToolsResult:
        return ListToolsResult(tools=[tool.definition for tool in tools.values()])

    async def call_tool(context: ServerRequestContext[Any], parameters: CallToolRequestParams) -> CallToolResult:
        tool = tools.get(parameters.name)
        if tool is None:
            raise MCPError(code=INVALID_PARAMS, message=f"Unknown tool: {parameters.name}")
        return await _call(tool, sources, arguments=dict(parameters.arguments or {}))

    return Server(
        "factfold",
        version="1.0.0",
        title="Factfold",
        instructions=_INSTRUCTIONS,
        cache_hints={"tools/list": CacheHint(ttl_ms=300_000, scope="public")},
        get_tool_input_schema=lambda name: tools[name].definition.input_schema if name in tools else None,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


async def _call(tool: DerivedTool, sources: ReadSources, *, arguments: dict[str, Any]) -> CallToolResult:
    try:
        # A model that has nothing to say for an argument often says null.
        said = {name: value for name, value in arguments.items() if value is not None}
        query = read_arguments(tool.operation.query, said)
        answer = table(await ask(tool.operation, sources, query))
    except QueryError as error:
        return CallToolResult(content=[TextContent(type="text", text=encode(refusal(error)))], is_error=True)
    return CallToolResult(content=[TextContent(type="text", text=encode(answer))], structured_content=answer)


def _known_names(hosts: tuple[str, ...]) -> TransportSecuritySettings:
    names = [name for host in hosts for name in (host, f"{host}:*")]
    return TransportSecuritySettings(
        enable_dns_rebinding_protection="*" not in hosts,
        allowed_hosts=names,
        allowed_origins=[f"{scheme}://{name}" for scheme in ("http", "https") for name in names],
    )

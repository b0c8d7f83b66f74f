"""What `manage.py up` prints once everything answers."""

import json
import shlex
from pathlib import Path

_CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {
        "name": "get_metrics",
        "arguments": {"companies": ["AAPL"], "metrics": ["revenue"], "period_type": "annual", "last": 5},
    },
}


def where_to_look(api_url: str, *, folder: Path, needs_key: bool) -> str:
    """This will name the addresses to open and three commands to paste into another terminal, first one for a key."""
    mcp_headers = "-H 'content-type: application/json' -H 'accept: application/json, text/event-stream'"
    with_key = ' -H "authorization: Bearer $KEY"' if needs_key else ""
    make_key = f"python3 manage.py create_key me --scope read --data {shlex.quote(str(folder))}"
    first = f"  A key to read with\n    KEY=$({make_key})\n\n" if needs_key else ""
    return f"""
  documentation  {api_url}/docs
  OpenAPI        {api_url}/schema/openapi.json
  MCP            {api_url}/mcp

  Paste one of these into another terminal:

{first}  Apple's revenue, the last five fiscal years
    curl -s{with_key} '{api_url}/v1/companies/AAPL/series?metrics=revenue&period_type=annual&last=5'

  Revenue by sector in 2024
    curl -s{with_key} '{api_url}/v1/aggregates?metric=revenue&group_by=sector&period=CY2024'

  The same figures for an agent, over MCP
    curl -s{with_key} {api_url}/mcp {mcp_headers} -d '{json.dumps(_CALL)}' | sed -n 's/^data: //p'
"""

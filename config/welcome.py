"""What `manage.py up` prints once everything answers."""

import json

_CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {
        "name": "get_metrics",
        "arguments": {"companies": ["AAPL"], "metrics": ["revenue"], "period_type": "annual", "last": 5},
    },
}


def where_to_look(api_url: str) -> str:
    """This will name the addresses to open and three commands to paste into another terminal."""
    mcp_headers = "-H 'content-type: application/json' -H 'accept: application/json, text/event-stream'"
    return f"""
  documentation  {api_url}/docs
  OpenAPI        {api_url}/schema/openapi.json
  MCP            {api_url}/mcp

  Paste one of these into another terminal:

  Apple's revenue, the last five fiscal years
    curl -s '{api_url}/v1/companies/AAPL/series?metrics=revenue&period_type=annual&last=5'

  Revenue by sector in 2024
    curl -s '{api_url}/v1/aggregates?metric=revenue&group_by=sector&period=CY2024'

  The same figures for an agent, over MCP
    curl -s {api_url}/mcp {mcp_headers} -d '{json.dumps(_CALL)}' | sed -n 's/^data: //p'
"""

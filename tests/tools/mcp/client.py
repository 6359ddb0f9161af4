# A session by the official client for Python.
# Argument: the folder with its packages. Standard input: {"command", "args", "era": "legacy" or "modern"}.
# Standard output: what the server said, as one JSON object.
import asyncio
import json
import sys

sys.path.insert(0, sys.argv[1])

from mcp import Client, StdioServerParameters  # noqa: E402
from mcp_types import Implementation  # noqa: E402

asked = json.load(sys.stdin)


async def main():
    server = StdioServerParameters(command=asked["command"], args=asked["args"])
    mode = "legacy" if asked["era"] == "legacy" else "auto"
    me = Implementation(name="official-client", version="4.5.6")
    async with Client(server, mode=mode, client_info=me) as client:
        tools = (await client.list_tools()).tools

        async def given(tool, **arguments):
            result = await client.call_tool(tool, arguments)
            assert not result.is_error, result
            return result.structured_content

        broken = "apiVersion: flagstaff/v1\nkind: Release\nmetadata: { name: search }\nspec: { flga: search }\n"
        refused = await client.call_tool("abort", {"release": "r", "environment": "there", "reason": "x"})
        assert refused.is_error
        document = await client.read_resource("flagstaff://documents/flagstaff.yaml")
        prompt = await client.get_prompt("release_this_change", {"change": "one page checkout"})
        resources = (await client.list_resources()).resources
        assert any(resource.uri == "flagstaff://rollouts/r@here" for resource in resources), resources
        return {
            "protocol": client.protocol_version,
            "server": client.server_info.name,
            "tools": [tool.name for tool in tools],
            "read_only": [tool.name for tool in tools if tool.annotations.read_only_hint],
            "prompts": [prompt.name for prompt in (await client.list_prompts()).prompts],
            "status": await given("status"),
            "explain": await given("explain", release="r@here"),
            "findings": (await given("validate", file="flagstaff/search.yaml", text=broken))["findings"],
            "refused": json.loads(refused.content[0].text),
            "paused": await given("pause", release="r", environment="here", reason="by a client"),
            "document": document.contents[0].text,
            "prompt": prompt.messages[0].content.text,
        }


print(json.dumps(asyncio.run(main())))

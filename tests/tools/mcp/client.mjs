// A session by the official client for TypeScript.
// Argument: the folder with node_modules. Standard input: {"command", "args", "era": "legacy" or "modern"}.
// Standard output: what the server said, as one JSON object.
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const require = createRequire(join(resolve(process.argv[2]), 'package.json'));
const { Client } = require('@modelcontextprotocol/client');
const { StdioClientTransport } = require('@modelcontextprotocol/client/stdio');

const asked = JSON.parse(readFileSync(0, 'utf8'));
const versionNegotiation = { mode: asked.era === 'legacy' ? 'legacy' : 'auto' };
const client = new Client({ name: 'official-client', version: '4.5.6' }, { versionNegotiation });
await client.connect(new StdioClientTransport({ command: asked.command, args: asked.args, stderr: 'ignore' }));

const { tools } = await client.listTools();
const given = async (name, args) => {
  const result = await client.callTool({ name, arguments: args });
  assert(!result.isError, JSON.stringify(result));
  return result.structuredContent;
};
const broken = 'apiVersion: flagstaff/v1\nkind: Release\nmetadata: { name: search }\nspec: { flga: search }\n';
const refused = await client.callTool({
  name: 'abort',
  arguments: { release: 'r', environment: 'there', reason: 'x' },
});
assert(refused.isError);
const document = await client.readResource({ uri: 'flagstaff://documents/flagstaff.yaml' });
const prompt = await client.getPrompt({
  name: 'release_this_change',
  arguments: { change: 'one page checkout' },
});
const { resources } = await client.listResources();
assert(resources.some((resource) => resource.uri === 'flagstaff://rollouts/r@here'));
const said = {
  protocol: client.getNegotiatedProtocolVersion(),
  server: client.getServerVersion().name,
  tools: tools.map((tool) => tool.name),
  read_only: tools.filter((tool) => tool.annotations.readOnlyHint).map((tool) => tool.name),
  prompts: (await client.listPrompts()).prompts.map((prompt) => prompt.name),
  status: await given('status', {}),
  explain: await given('explain', { release: 'r@here' }),
  findings: (await given('validate', { file: 'flagstaff/search.yaml', text: broken })).findings,
  refused: JSON.parse(refused.content[0].text),
  paused: await given('pause', { release: 'r', environment: 'here', reason: 'by a client' }),
  document: document.contents[0].text,
  prompt: prompt.messages[0].content.text,
};
await client.close();
console.log(JSON.stringify(said));

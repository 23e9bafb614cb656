// What a stranger gets who follows a guide: its commands, in an empty folder outside the workspace, with packages from a registry.
import { once } from 'node:events';
import { globSync, mkdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { delimiter, join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { root } from '../root.ts';
import { blocksOf, Follower } from './guides.ts';
import { serveElsewhere, type Elsewhere } from './stranger.ts';

const guides = globSync('docs/guides/*.md', { cwd: root }).toSorted();
/** What guides say, each of which becomes a free port. */
const said = ['4001', '4002', '9090', '9464', '9465', '11434'];

let elsewhere: Elsewhere;
let shared: NodeJS.ProcessEnv;
let ollama: Server;

/** Speaks as much of Ollama's API as the guide uses. */
function answerAsOllama(): Server {
  const event = (data: object): string => `data: ${JSON.stringify(data)}\n\n`;
  const chunk = (content: string, reason: string | null = null): string =>
    event({ choices: [{ index: 0, delta: { content }, finish_reason: reason }] });
  return createServer((request: IncomingMessage, response) => {
    if (request.method === 'GET') {
      response.end(JSON.stringify({ object: 'list', data: [{ id: 'llama3.2:latest', object: 'model' }] }));
      return;
    }
    request.resume().once('end', () => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const text of ['A loom', ' weaves', ' threads', ' into cloth.']) response.write(chunk(text));
      response.write(chunk('', 'stop'));
      response.write(
        event({ choices: [], usage: { prompt_tokens: 6, completion_tokens: 9, total_tokens: 15 } }),
      );
      response.end('data: [DONE]\n\n');
    });
  });
}

async function freePorts(): Promise<Map<string, string>> {
  const servers = said.map((port) => [port, createServer().listen(0, '127.0.0.1')] as const);
  const found = new Map<string, string>();
  for (const [port, server] of servers) {
    if (!server.listening) await once(server, 'listening');
    found.set(port, String((server.address() as AddressInfo).port));
  }
  for (const [, server] of servers) {
    server.close();
    await once(server, 'close');
  }
  return found;
}

beforeAll(async () => {
  elsewhere = await serveElsewhere();
  const home = elsewhere.makeProject('home');
  const kept = Object.entries(process.env).filter(
    ([name]) =>
      !/^(?:LLOOM_|OPENAI_|OTEL_|VITEST|SIM_SEED$|FORCE_COLOR$|TEST$|NODE_(?:ENV|OPTIONS|PATH)$|npm_)/.test(
        name,
      ),
  );
  shared = {
    ...Object.fromEntries(kept),
    ...{ NO_COLOR: '1', npm_config_prefix: home, npm_config_audit: 'false', npm_config_fund: 'false' },
    'npm_config_@lloom:registry': `${elsewhere.registry}/`,
    PATH: [join(home, 'bin'), process.env['PATH']].join(delimiter),
  };
  const place = { folder: home, env: shared, ports: new Map<string, string>() };
  const [install] = blocksOf('<!-- run -->\n```sh\nnpm install --global @lloom/cli\n```');
  await new Follower(place).follow(install!);
}, 600_000);

afterAll(async () => {
  ollama?.close();
  ollama?.closeAllConnections();
  await elsewhere?.[Symbol.asyncDispose]();
}, 300_000);

describe.each(guides)('%s', (guide) => {
  test('does what it shows', async () => {
    const ports = await freePorts();
    ollama = answerAsOllama().listen(Number(ports.get('11434')), '127.0.0.1');
    const folder = elsewhere.makeProject(guide.replaceAll(/\W/g, '-'));
    mkdirSync(folder, { recursive: true });
    const follower = new Follower({ folder, env: shared, ports });
    try {
      const done: string[] = [];
      for (const block of blocksOf(readFileSync(join(root, guide), 'utf8')))
        done.push(await follower.follow(block));
      expect(done).toContain('done');
    } finally {
      await follower.end();
      ollama.close();
      ollama.closeAllConnections();
    }
  }, 600_000);
});

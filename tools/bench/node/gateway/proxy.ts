import { Agent, createServer, request } from 'node:http';
import { pipeline } from 'node:stream';
import { listen } from './backend.ts';

/** A reverse proxy as one writes it with Node.js alone: both ways piped, connections to the backend kept. */
export function startProxy(backendPort: number): Promise<number> {
  const agent = new Agent({ keepAlive: true });
  const server = createServer((incoming, outgoing) => {
    const { method, url: path, headers } = incoming;
    const target = { host: '127.0.0.1', port: backendPort, method, path, headers, agent };
    const onward = request(target, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers);
      pipeline(answer, outgoing, () => undefined);
    });
    pipeline(incoming, onward, () => undefined);
  });
  server.keepAliveTimeout = 60_000;
  return listen(server);
}

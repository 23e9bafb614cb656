// Request and reply through a NATS server: two hops, not encrypted.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from '@nats-io/transport-node';
import { Missing, answer, type Stack } from './stack.ts';

const subject = 'bench';
/** Debian's package puts it where the path of a usual user does not look. */
const programs = ['nats-server', '/usr/sbin/nats-server'];

/** Starts a server on a port that it chooses. */
async function startProgram(): Promise<{ child: ChildProcess; address: string }> {
  for (const program of programs) {
    const child = spawn(program, ['--addr', '127.0.0.1', '--port', '-1'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const address = await new Promise<string | undefined>((resolve) => {
      let log = '';
      child.once('error', () => resolve(undefined));
      child.once('exit', () => resolve(undefined));
      child.stderr.on('data', (chunk: Buffer) => {
        log += chunk.toString();
        const found = /Listening for client connections on (?<address>\S+)/.exec(log);
        if (found !== null) resolve(found.groups?.['address']);
      });
    });
    if (address === undefined) continue;
    process.once('exit', () => child.kill());
    return { child, address };
  }
  throw new Missing('there is no program nats-server');
}

export const nats: Stack = {
  async startServer() {
    const { child, address } = await startProgram();
    const connection = await connect({ servers: address });
    connection.subscribe(subject, { callback: (_, message) => void message.respond(answer) });
    await connection.flush();
    const close = async (): Promise<void> => {
      await connection.close();
      child.kill();
      await once(child, 'exit');
    };
    return { address, close };
  },
  async connect(address) {
    const connection = await connect({ servers: address });
    return {
      unary: async (request) => (await connection.request(subject, request, { timeout: 60_000 })).data,
      close: () => connection.close(),
    };
  },
};

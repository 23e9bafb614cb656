// Bare sockets, in a process of its own: what a laboratory is checked with.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { answerQuestions } from '../bench/part.ts';

/** Where to dial, and from where. */
export interface Dial {
  readonly host: string;
  readonly port: number;
  readonly localPort?: number;
  /** How long it may take. */
  readonly ms: number;
}

/** What a parent asks. */
export interface Questions {
  /** Tells whoever connects where it was seen, and gives back what it sends. */
  readonly listen: { readonly asked: number; readonly told: void };
  /** Connects; `nothing` when nobody says yes or no. */
  readonly dial: { readonly asked: Dial; readonly told: 'connected' | 'nothing' | 'refused' };
  /** Where the last connection was seen by the one who listens, as `address:port`. */
  readonly seen: { readonly asked: undefined; readonly told: string };
  /** Whether what is sent over the last connection comes back in so many ms. */
  readonly echo: { readonly asked: number; readonly told: boolean };
}

let last: Socket | undefined;

/** They are cut on purpose. */
const tolerant = (socket: Socket): Socket => socket.on('error', () => {});

async function listen(port: number): Promise<void> {
  const server = createServer((socket) => {
    const { remoteAddress, remotePort } = tolerant(socket);
    socket.write(`${remoteAddress}:${remotePort}`);
    socket.pipe(socket);
  });
  await once(server.listen(port, '0.0.0.0'), 'listening');
}

async function dial({ ms, ...to }: Dial): Promise<Questions['dial']['told']> {
  const socket = tolerant(connect(to));
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(ms) });
    last = socket;
    return 'connected';
  } catch (error) {
    socket.destroy();
    return (error as NodeJS.ErrnoException).code === 'ECONNREFUSED' ? 'refused' : 'nothing';
  }
}

async function next(ms: number): Promise<string | undefined> {
  try {
    const [data] = (await once(last!, 'data', { signal: AbortSignal.timeout(ms) })) as [Buffer];
    return data.toString();
  } catch {
    return undefined;
  }
}

async function echo(ms: number): Promise<boolean> {
  const answer = next(ms);
  last!.write('hello');
  return (await answer) === 'hello';
}

answerQuestions<Questions>((question, asked) => {
  switch (question) {
    case 'listen':
      return listen(asked as number);
    case 'dial':
      return dial(asked as Dial);
    case 'seen':
      return next(5_000).then((seen = 'nowhere') => seen);
    case 'echo':
      return echo(asked as number);
  }
});

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Part } from '../../part.ts';
import { Command } from './command.ts';
import type { Done, Load, Target } from './load.ts';
import type { Questions } from './part.ts';

const model = 'bench';
const script = new URL('part.ts', import.meta.url);

/** A way to the backend. */
export interface Way {
  readonly target: Target;
  /** The processes between who asks and the backend. */
  readonly pids: readonly number[];
}

/** Three ways to one backend, every process on its own, and somebody who asks. */
export interface Ways {
  readonly direct: Way;
  readonly proxy: Way;
  readonly gateway: Way;
  readonly askerPid: number;
  /** Asks as it is told. */
  readonly run: (load: Load) => Promise<Done>;
}

/** Starts everybody, lets `act` measure, and ends them. */
export async function withWays<T>(act: (ways: Ways) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'lloom-bench-'));
  const running: { kill(): Promise<void> }[] = [];
  function started<P extends { kill(): Promise<void> }>(process: P): P {
    running.push(process);
    return process;
  }
  const part = (): Part<Questions> => started(new Part<Questions>(script));
  const command: Start = (...args) => started(new Command(args));
  try {
    const backendPort = await part().ask('backend', null);
    const proxy = part();
    const proxyPort = await proxy.ask('proxy', { backendPort });
    const gateway = await startGateway(command, { backendPort, keyFile: join(folder, 'key') });
    const asker = part();
    const plain = { key: 'none', model };
    return await act({
      direct: { target: { ...plain, port: backendPort }, pids: [] },
      proxy: { target: { ...plain, port: proxyPort }, pids: [proxy.pid] },
      gateway,
      askerPid: asker.pid,
      run: (load) => asker.ask('load', load),
    });
  } finally {
    for (const each of running) await each.kill();
    await rm(folder, { recursive: true });
  }
}

type Start = (...args: readonly string[]) => Command;

/** A network as the README shows it, with more room than one asker needs. */
async function startGateway(
  start: Start,
  { backendPort, keyFile }: { readonly backendPort: number; readonly keyFile: string },
): Promise<Way> {
  const { addresses } = await start('validator').event('ready');
  const through = ['--bootstrap', (addresses as string[])[0]!];
  const prices = ['--inbound-price', '1', '--outbound-price', '2'];
  const backend = ['--backend', 'openai', '--base-url', `http://127.0.0.1:${backendPort}/v1`];
  const room = ['--capacity', '64', '--queue', '64'];
  const executor = start('executor', '--model', model, ...prices, ...backend, ...room, ...through);
  await executor.event('advertised');
  const gateway = start('gateway', '--port', '0', '--api-key-file', keyFile, ...through);
  const { url } = await gateway.event('ready');
  const key = (await readFile(keyFile, 'utf8')).trim();
  return {
    target: { port: Number(new URL(url as string).port), key, model },
    pids: [gateway.pid, executor.pid],
  };
}

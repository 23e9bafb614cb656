import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Libp2p } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { systemClock } from '@lloom/core';
import { createLibp2p, type Libp2pOptions } from 'libp2p';
import { afterEach, expect, it } from 'vitest';

import type { Busy } from './busyPeer.ts';
import { createWatcher } from './watcher.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  await Promise.all(cleanups.splice(0).map((stop) => stop()));
});

const options = (): Libp2pOptions => ({
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
});

async function startBusyPeer(): Promise<{ readonly child: ChildProcess; readonly address: string }> {
  const child = fork(new URL('busyPeer.ts', import.meta.url), { execArgv: ['--conditions=@lloom/source'] });
  cleanups.push(() => child.kill('SIGKILL'));
  const [address] = (await once(child, 'message')) as [string];
  return { child, address };
}

/** Lets the peer compute for ten seconds from the next ping of a node on. */
async function keepBusy(child: ChildProcess, node: Libp2p): Promise<void> {
  const busy: Busy = { atPingOf: node.peerId.toString(), forMs: 10_000 };
  child.send(busy);
  await once(child, 'message');
}

it('a peer that computes for ten seconds stays connected, which libp2p by itself does not achieve', async () => {
  const { child, address } = await startBusyPeer();
  const own = await createWatcher(systemClock, options());
  const stock = await createLibp2p(options());
  cleanups.push(
    () => own.stop(),
    () => stock.stop(),
  );
  await own.node.dial(multiaddr(address));
  const lost = await stock.dial(multiaddr(address));
  await keepBusy(child, stock);
  expect(lost.status).toBe('aborted');
  for (let count = 0; count < 3; count += 1) await keepBusy(child, own.node);
  expect(own.dead).toEqual([]);
  const [connection] = own.open;
  await expect(connection?.ping(AbortSignal.timeout(10_000))).resolves.toBeTypeOf('number');
});

import { peerIdFromString } from '@libp2p/peer-id';
import type { Connection, Transport } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { describe, expect, it } from 'vitest';
import { DialBudget } from '../internal/dialBudget.ts';
import { punch } from './punch.ts';

const peerId = peerIdFromString('12D3KooWRndVhVZPCiQwHBBBdg769GyrPUW13zxwqQyf9r3ANaba');

/** A transport whose dials are all refused, and a clock on which pauses take no time. */
function refusing() {
  const dialed: string[] = [];
  const dial = (address: { toString(): string }): Promise<Connection> => {
    dialed.push(address.toString().replace(/\/p2p\/.*$/, ''));
    return Promise.reject(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }));
  };
  const clock = {
    now: () => 0,
    elapsed: () => 0,
    setTimeout: (done: () => void) => setImmediate(done),
    clearTimeout: () => undefined,
  };
  const ports = {
    ...{ clock, budget: new DialBudget(), connectionGater: {}, upgrader: {} as never },
    transport: { dial } as unknown as Transport,
  };
  const attempt = async (...targets: string[]): Promise<void> => {
    const wanted = {
      peerId,
      localPort: 5_000,
      isClient: true,
      targets: targets.map((each) => multiaddr(each)),
    };
    await expect(punch(ports, wanted, AbortSignal.timeout(5_000))).rejects.toThrow('rejected');
  };
  const count = (prefix: string): number => dialed.filter((each) => each.startsWith(prefix)).length;
  return { attempt, count };
}

describe('a punch at an address that answers with resets', () => {
  it('is repeated three times at the first port of each machine, and never at another', async () => {
    const { attempt, count } = refusing();
    await attempt('/ip4/10.7.0.1/tcp/1', '/ip4/10.7.0.1/tcp/2', '/ip4/10.7.0.2/tcp/1');
    const counts = ['/ip4/10.7.0.1/tcp/1', '/ip4/10.7.0.1/tcp/2', '/ip4/10.7.0.2/tcp/1'].map(count);
    expect(counts).toEqual([4, 1, 4]);
  });

  it('is made sixteen times at one machine in half a minute, by all attempts together', async () => {
    const { attempt, count } = refusing();
    for (let peer = 0; peer < 20; peer++) await attempt(`/ip4/10.7.0.1/tcp/${peer + 1}`);
    expect(count('/ip4/10.7.0.1/')).toBe(16);
    await attempt('/ip4/10.7.0.2/tcp/1');
    expect(count('/ip4/10.7.0.2/')).toBe(4);
  });
});

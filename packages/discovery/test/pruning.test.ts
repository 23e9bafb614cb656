import { describe, expect, it } from 'vitest';
import { resolveDiscoveryConfig, type DiscoveryConfig } from '../src/config.ts';
import type { Shared } from '../src/internal/shared.ts';
import type { Dialer, RoutingTable } from '../src/ports.ts';
import { Pruning } from '../src/pruning.ts';
import { FakeClock, never } from './fakes.ts';
import { settled } from './machines.ts';

const graceMs = 30_000;

/** Pruning over fakes: every peer is in the table, nobody answers, and somebody is connected. */
function begin(given: DiscoveryConfig = {}) {
  const clock = new FakeClock();
  const table = new Set<string>(Array.from({ length: 300 }, (_, index) => `peer-${index}`));
  const connected = new Set<string>(['somebody']);
  const dials: { readonly peerId: string; readonly signal: AbortSignal }[] = [];
  const at = {
    clock,
    table,
    connected,
    dials,
    answer: (_: string, signal: AbortSignal): Promise<void> => never(signal),
  };
  const listing: RoutingTable = {
    has: (peerId) => Promise.resolve(table.has(peerId)),
    remove: (peerId) => Promise.resolve(void table.delete(peerId)),
  };
  const ports = { clock, random: { bytes: () => new Uint8Array(), float: () => 0.5 }, routingTable: listing };
  const resolved = resolveDiscoveryConfig({ ...ports, ...given });
  const dialer: Dialer = {
    dial: (peerId, _, { signal }) => {
      dials.push({ peerId, signal });
      return at.answer(peerId, signal);
    },
  };
  const shared = {
    ...resolved.ports,
    config: resolved.config,
    dialer,
    network: {
      isConnected: (peerId: string) => connected.has(peerId),
      listeners: () => Promise.resolve([...connected]),
      log: () => {},
    },
  } as unknown as Shared;
  const pruning = new Pruning(shared);
  pruning.start();
  return Object.assign(at, { pruning, ports: shared });
}

describe('pruning', () => {
  it('dials four peers at a time for 5 s each, and takes out those that do not answer', async () => {
    const at = begin();
    for (let index = 0; index < 10; index += 1) at.pruning.onDisconnect(`peer-${index}`);
    await at.clock.advance(graceMs);
    expect(at.dials.length).toBe(4);
    await at.clock.advance(4_999);
    expect([at.dials.length, at.table.size]).toEqual([4, 300]);
    await at.clock.advance(1);
    expect([at.dials.length, at.table.size]).toEqual([8, 296]);
    await at.clock.advance(10_000);
    expect([at.dials.length, at.table.size]).toEqual([10, 290]);
    expect([at.pruning.watched.size, at.clock.pending]).toEqual([0, 0]);
  });

  it('dials for no longer than the configuration allows', async () => {
    const at = begin({ dialTimeoutMs: 100, deadPeerGraceMs: 1_000 });
    at.pruning.onDisconnect('peer-1');
    await at.clock.advance(1_100);
    expect(at.table.has('peer-1')).toBe(false);
  });

  it('watches 256 peers, and each once', async () => {
    const at = begin();
    for (let index = 0; index < 300; index += 1) at.pruning.onDisconnect(`peer-${index}`);
    for (let index = 0; index < 300; index += 1) at.pruning.onDisconnect(`peer-${index}`);
    expect(at.pruning.watched.size).toBe(256);
    at.pruning.stop();
    await settled();
    expect([at.pruning.watched.size, at.clock.pending]).toEqual([0, 0]);
  });

  it('does nothing where there is no routing table', async () => {
    const at = begin();
    const pruning = new Pruning({ ...at.ports, routingTable: undefined });
    pruning.start();
    pruning.onDisconnect('peer-1');
    expect(pruning.watched.size).toBe(0);
  });

  it('does not watch peers that are not in the table', async () => {
    const at = begin();
    at.pruning.onDisconnect('stranger');
    await settled();
    expect(at.pruning.watched.size).toBe(0);
  });

  it('leaves alone who has connected again, told or not', async () => {
    const at = begin();
    at.pruning.onDisconnect('peer-1');
    at.pruning.onDisconnect('peer-2');
    await settled();
    at.connected.add('peer-1').add('peer-2');
    at.pruning.onConnect('peer-1');
    expect([...at.pruning.watched.keys()]).toEqual(['peer-2']);
    await at.clock.advance(graceMs);
    expect([at.pruning.watched.size, at.dials.length, at.table.size]).toEqual([0, 0, 300]);
  });

  it('leaves alone who connects while being dialled in vain', async () => {
    const at = begin();
    at.pruning.onDisconnect('peer-1');
    await at.clock.advance(graceMs);
    at.connected.add('peer-1');
    await at.clock.advance(5_000);
    expect([at.pruning.watched.size, at.table.size]).toEqual([0, 300]);
  });

  it('takes nobody out while nobody is connected', async () => {
    const at = begin();
    at.connected.clear();
    at.pruning.onDisconnect('peer-1');
    await at.clock.advance(600_000);
    expect([at.dials.length > 10, at.table.size]).toEqual([true, 300]);
    at.connected.add('somebody');
    await at.clock.advance(graceMs + 5_000);
    expect(at.table.size).toBe(299);
  });

  it('dials a peer that answered again after ten minutes only, however often it is disconnected', async () => {
    const at = begin();
    at.answer = () => Promise.resolve();
    for (let round = 0; round < 10; round += 1) {
      at.pruning.onDisconnect('peer-1');
      await at.clock.advance(graceMs);
    }
    expect([at.dials.length, at.table.size]).toEqual([1, 300]);
    at.answer = (_, signal) => never(signal);
    await at.clock.advance(600_000);
    expect([at.dials.length, at.table.size]).toEqual([2, 299]);
  });

  it('gives up what is under way when it is stopped', async () => {
    const at = begin();
    for (let index = 0; index < 6; index += 1) at.pruning.onDisconnect(`peer-${index}`);
    await at.clock.advance(graceMs);
    at.pruning.stop();
    await settled();
    at.pruning.onDisconnect('peer-9');
    await at.clock.advance(graceMs);
    expect(at.dials.map(({ signal }) => signal.aborted)).toEqual([true, true, true, true]);
    expect([at.pruning.watched.size, at.table.size, at.clock.pending]).toEqual([0, 300, 0]);
  });
});

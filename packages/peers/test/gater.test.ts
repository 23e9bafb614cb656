import type { ConnectionGater, Logger, MultiaddrConnection, PeerId } from '@libp2p/interface';
import { toPeerId } from '@lloom/core';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { guardWith } from '../src/adapters/gater.ts';
import { maxHeldRefusals, Refusals } from '../src/adapters/refusals.ts';
import type { Gate } from '../src/ports.ts';
import { FakeClock, larger, smaller, turn } from './fakes.ts';

const log = Object.assign(() => undefined, {
  error: () => undefined,
  trace: () => undefined,
}) as unknown as Logger;
const createPorts = (clock = new FakeClock()) => ({ log, refusals: new Refusals(clock, () => undefined) });
const peer = toPeerId(smaller);
const other = toPeerId(larger);
const direct = multiaddr('/ip4/192.0.2.1/tcp/4001');
const through = multiaddr(`/ip4/192.0.2.9/tcp/4001/p2p/${larger}/p2p-circuit/p2p/${smaller}`);
const relayOnly = multiaddr(`/p2p/${larger}/p2p-circuit/p2p/${smaller}`);

const rawConnection = (remoteAddr: Multiaddr): MultiaddrConnection & EventTarget =>
  Object.assign(new EventTarget(), {
    remoteAddr,
    status: 'open',
    pause: vi.fn<() => void>(),
  }) as unknown as MultiaddrConnection & EventTarget;

type Hook = Exclude<keyof ConnectionGater, 'filterMultiaddrForPeer' | `${string}OutboundConnection`>;

const argumentsOf: Partial<Record<Hook, readonly unknown[]>> = {
  denyDialPeer: [peer],
  denyDialMultiaddr: [direct],
  denyInboundConnection: [rawConnection(direct)],
  denyInboundEncryptedConnection: [peer, rawConnection(direct)],
  denyInboundUpgradedConnection: [peer, rawConnection(direct)],
  denyOutboundEncryptedConnection: [peer, rawConnection(direct)],
  denyInboundRelayReservation: [peer],
  denyOutboundRelayedConnection: [peer, other],
  denyInboundRelayedConnection: [other, peer],
};
const hooks = Object.keys(argumentsOf) as Hook[];

const call = (gater: ConnectionGater, hook: Hook): Promise<boolean> => {
  const act = gater[hook] as unknown as (...args: readonly unknown[]) => Promise<boolean>;
  return act.apply(gater, [...(argumentsOf[hook] ?? [])]);
};

const gate = {
  refusesPeer: vi.fn<Gate['refusesPeer']>(),
  refusesAddress: vi.fn<Gate['refusesAddress']>(),
  refusesInbound: vi.fn<Gate['refusesInbound']>(),
  refusesConnection: vi.fn<Gate['refusesConnection']>(),
  isBarred: vi.fn<Gate['isBarred']>(),
  mayRedial: vi.fn<Gate['mayRedial']>(),
  refusesRelaying: vi.fn<Gate['refusesRelaying']>(),
};

beforeEach(() => {
  vi.resetAllMocks();
});

describe('the gater of a node', () => {
  it.each([
    ['denyDialPeer', () => gate.refusesPeer.mockResolvedValue('no')],
    ['denyDialMultiaddr', () => gate.refusesAddress.mockReturnValue('no')],
    ['denyInboundConnection', () => gate.refusesInbound.mockReturnValue('no')],
    ['denyInboundEncryptedConnection', () => gate.refusesConnection.mockReturnValue('no')],
    ['denyInboundUpgradedConnection', () => gate.refusesConnection.mockReturnValue('no')],
    ['denyOutboundEncryptedConnection', () => gate.refusesConnection.mockReturnValue('no')],
    ['denyInboundRelayReservation', () => gate.refusesRelaying.mockReturnValue('no')],
    ['denyOutboundRelayedConnection', () => gate.refusesRelaying.mockReturnValue('no')],
    ['denyInboundRelayedConnection', () => gate.refusesConnection.mockReturnValue('no')],
  ] as const)('lets the gate refuse by %s, and lets pass what it lets pass', async (hook, refuse) => {
    const gater: ConnectionGater = {};
    guardWith(gater, gate, createPorts());
    expect(await call(gater, hook)).toBe(false);
    refuse();
    expect(await call(gater, hook)).toBe(true);
  });

  it.each(hooks)('asks what the user has set for %s first, also when it is a method', async (hook) => {
    class OfUser {
      answer = true;
    }
    const gater = new OfUser();
    Object.defineProperty(OfUser.prototype, hook, {
      value(this: OfUser) {
        return this.answer;
      },
      writable: true,
    });
    guardWith(gater as ConnectionGater, gate, createPorts());
    expect(await call(gater as ConnectionGater, hook)).toBe(true);
    for (const asked of Object.values(gate)) expect(asked).not.toHaveBeenCalled();
    gater.answer = false;
    expect(await call(gater as ConnectionGater, hook)).toBe(false);
    expect(Object.values(gate).some((asked) => asked.mock.calls.length > 0)).toBe(true);
  });

  it('tells the gate where a connection comes from or leads to, and whether a relay stands between', async () => {
    const gater: ConnectionGater = {};
    guardWith(gater, gate, createPorts());
    await gater.denyInboundEncryptedConnection?.(peer, rawConnection(direct));
    await gater.denyInboundUpgradedConnection?.(peer, rawConnection(through));
    await gater.denyOutboundEncryptedConnection?.(peer, rawConnection(through));
    await gater.denyInboundRelayedConnection?.(other, peer);
    expect(gate.refusesConnection.mock.calls.map(([candidate]) => candidate)).toEqual([
      { peerId: smaller, direction: 'inbound', relayed: false, remoteAddress: direct },
      { peerId: smaller, direction: 'inbound', relayed: true, remoteAddress: through },
      { peerId: smaller, direction: 'outbound', relayed: true, remoteAddress: through },
      { peerId: smaller, direction: 'inbound', relayed: true, remoteAddress: relayOnly },
    ]);
  });

  it.each([
    ['the one that calls', smaller],
    ['the one that is called', larger],
  ])('relays between two only when the gate admits %s', async (_, refused) => {
    const gater: ConnectionGater = {};
    guardWith(gater, gate, createPorts());
    gate.refusesRelaying.mockImplementation((peerId) => (peerId === refused ? 'no' : undefined));
    expect(await gater.denyOutboundRelayedConnection?.(peer, other)).toBe(true);
  });

  it('takes nobody from a relay that the gate does not admit', async () => {
    const gater: ConnectionGater = {};
    guardWith(gater, gate, createPorts());
    gate.refusesRelaying.mockImplementation((peerId) => (peerId === larger ? 'no' : undefined));
    const deny = (relay: PeerId, source: PeerId) => gater.denyInboundRelayedConnection?.(relay, source);
    expect(await deny(other, peer)).toBe(true);
    expect(await deny(peer, other)).toBe(false);
  });

  it('tells the gate where the handshakes come from that are under way, until they end in any way', async () => {
    const gater: ConnectionGater = {};
    guardWith(gater, gate, createPorts());
    const [closes, completes, asks] = [rawConnection(direct), rawConnection(through), rawConnection(direct)];
    await gater.denyInboundConnection?.(closes);
    await gater.denyInboundConnection?.(completes);
    await gater.denyInboundConnection?.(asks);
    closes.dispatchEvent(new Event('close'));
    await gater.denyInboundUpgradedConnection?.(peer, completes);
    const closed = Object.assign(rawConnection(direct), { status: 'closed' as const });
    await gater.denyInboundConnection?.(closed);
    await gater.denyInboundConnection?.(rawConnection(direct));
    expect(gate.refusesInbound.mock.calls.map(([, pending]) => pending)).toEqual([
      [],
      [direct],
      [direct, through],
      [direct],
      [direct],
    ]);
  });

  it('lets whom it bars wait when it comes back at once, one connection of a peer, eight in all, and not as a handshake', async () => {
    const clock = new FakeClock();
    const ports = createPorts(clock);
    const gater: ConnectionGater = {};
    guardWith(gater, gate, ports);
    ports.refusals.begin();
    gate.isBarred.mockReturnValue(true);
    const ids = Array.from({ length: maxHeldRefusals + 1 }, (_, who) => ({ toString: () => `p${who}` }));
    const refused: (readonly [who: number, at: number])[] = [];
    const come = async (who: number) => {
      const maConn = rawConnection(direct);
      await gater.denyInboundConnection?.(maConn);
      gate.refusesConnection.mockReturnValue('no');
      const ask = async (): Promise<void> => {
        const isDenied = await gater.denyInboundEncryptedConnection?.(ids[who] as PeerId, maConn);
        if (isDenied === true) refused.push([who, clock.elapsed()]);
      };
      void ask();
      return maConn;
    };
    // The first time they learn it at once.
    for (const who of ids.keys()) await come(who);
    await turn();
    expect(refused.splice(0)).toHaveLength(ids.length);
    for (const who of ids.keys()) await come(who);
    await come(0);
    await turn();
    expect(refused).toEqual([
      [maxHeldRefusals, 0],
      [0, 0],
    ]);
    expect(gate.refusesInbound.mock.calls.at(-1)?.[1]).toEqual([]);
    clock.increment(999);
    await turn();
    expect(refused).toHaveLength(2);
    clock.increment(1);
    await turn();
    expect(refused).toHaveLength(2 + maxHeldRefusals);
    // Whoever leaves meanwhile makes room, and so does the end.
    const leaving = await come(1);
    await come(2);
    await turn();
    expect(vi.mocked(leaving).pause.mock.calls).toHaveLength(1);
    leaving.dispatchEvent(new Event('close'));
    await turn();
    expect(refused.at(-1)).toEqual([1, 1_000]);
    ports.refusals.end();
    await come(3);
    await turn();
    expect(refused.slice(-2)).toEqual([
      [2, 1_000],
      [3, 1_000],
    ]);
  });

  it('lets a dial go on when the gate fails to prepare it', async () => {
    const gater: ConnectionGater = {};
    guardWith(gater, gate, createPorts());
    gate.refusesPeer.mockRejectedValue(new Error('the peer store is gone'));
    expect(await gater.denyDialPeer?.(peer)).toBe(false);
  });
});

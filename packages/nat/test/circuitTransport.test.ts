import { circuitRelayTransport } from '@libp2p/circuit-relay-v2';
import { identify } from '@libp2p/identify';
import type { Libp2p, Transport } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { tcp } from '@libp2p/tcp';
import { createLibp2p, type Libp2pOptions } from 'libp2p';
import { afterEach, describe, expect, it } from 'vitest';

import { CircuitTransport } from '../src/adapters/circuitTransport.ts';
import type { NatComponents } from '../src/ports.ts';

const stopProtocol = '/libp2p/circuit/relay/0.2.0/stop';
const tag = '@libp2p/circuit-relay-v2-transport';
const stranger = peerIdFromString('12D3KooWFoqA2CcaNsPHjK3tsAt9qrtXNB6CVtBRZLQJBNZgRUFe');
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  await Promise.all(cleanups.splice(0).map((stop) => stop()));
});

interface Lent {
  readonly node: Libp2p;
  readonly components: NatComponents;
}

async function createNode(options: Libp2pOptions = {}): Promise<Lent> {
  const node = await createLibp2p({
    transports: [tcp()],
    ...options,
    services: { identify: identify(), parts: (components: NatComponents) => ({ components }) },
  });
  cleanups.push(() => node.stop());
  return { node, components: node.services.parts.components };
}

type WithStore = Transport & { reservationStore: { hasReservation(peerId: unknown): boolean } };

const transportsOf = ({ components }: Lent): WithStore[] =>
  components.transportManager
    .getTransports()
    .filter((transport) => transport[Symbol.toStringTag] === tag) as WithStore[];

describe('the transport for relays', () => {
  it('is brought along where the node has none, and is there once however often it starts and stops', async () => {
    const lent = await createNode();
    const transport = new CircuitTransport(lent.components);
    await transport.stop();
    await Promise.all([transport.start(), transport.stop(), transport.start(), transport.start()]);
    expect(transportsOf(lent)).toHaveLength(1);
    expect(lent.node.getProtocols()).toContain(stopProtocol);
    await Promise.all([transport.stop(), transport.start(), transport.stop()]);
    expect(lent.node.getProtocols()).not.toContain(stopProtocol);
  });

  it('asks for no place of its own when somebody comes through a relay, and may again when it is stopped', async () => {
    const lent = await createNode({ transports: [tcp(), circuitRelayTransport()] });
    const [own] = transportsOf(lent);
    const transport = new CircuitTransport(lent.components);
    await transport.start();
    expect(transportsOf(lent)).toEqual([own]);
    expect(own!.reservationStore.hasReservation(stranger)).toBe(true);
    await transport.stop();
    expect(own!.reservationStore.hasReservation(stranger)).toBe(false);
    expect(lent.node.getProtocols()).toContain(stopProtocol);
  });

  it('keeps what the user has it listen on', async () => {
    const listen = [`/ip4/127.0.0.1/tcp/1/p2p/${stranger.toString()}/p2p-circuit`];
    const lent = await createNode({
      start: false,
      addresses: { listen },
      transports: [tcp(), circuitRelayTransport()],
    });
    await new CircuitTransport(lent.components).start();
    expect(transportsOf(lent)[0]!.reservationStore.hasReservation(stranger)).toBe(false);
  });

  it('goes on with a transport that it does not know', async () => {
    const { components } = await createNode();
    const unknown = { [Symbol.toStringTag]: tag } as Transport;
    const transportManager = { ...components.transportManager, getTransports: () => [unknown] };
    const errors: unknown[] = [];
    const logger = {
      forComponent: () => ({ error: (text: unknown) => errors.push(text) }),
    };
    const lent = {
      logger,
      transportManager,
      addressManager: components.addressManager,
    } as unknown as NatComponents;
    const transport = new CircuitTransport(lent);
    await transport.start();
    await transport.stop();
    expect(errors).toHaveLength(1);
  });
});

import type { Stream } from '@libp2p/interface';
import type { ConnectionManager, Registrar } from '@libp2p/interface-internal';
import { systemClock, toPeerId } from '@lloom/core';
import type { TestNetwork } from '@lloom/simkit';
import { test, type NetworkFixture } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { Exchanges, protocols } from '../src/adapters/exchanges.ts';
import type { ExchangeHandler } from '../src/ports.ts';
import { peerIds } from './fakes.ts';
import { createSimStranger, type SimStranger } from './simNodes.ts';

const link = { delayMs: 20 };
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const frame = (content: string): Uint8Array => new TextEncoder().encode(content);

/** A node that answers as a test says, in virtual time, and others that ask it. */
async function meet(
  createNetwork: NetworkFixture['createNetwork'],
  { others, answer }: { readonly others: number; readonly answer: ExchangeHandler },
) {
  const names = Array.from({ length: others }, (_, at) => `x${at}`);
  const nodes = ['e1', 'c1', ...names];
  const network: TestNetwork<SimStranger> = await createNetwork({
    nodes,
    link,
    createNode: createSimStranger,
  });
  const exchangesOf = (name: string): Exchanges => {
    const { components } = network.node(name) as unknown as {
      readonly components: { readonly registrar: Registrar; readonly connectionManager: ConnectionManager };
    };
    const { registrar, connectionManager } = components;
    const { clock } = network;
    return new Exchanges({ registrar, connectionManager, clock, timeoutMs: 5_000, onError: () => undefined });
  };
  const server = network.node('e1');
  await network.run(exchangesOf('e1').serve('registry', answer));
  for (const name of ['c1', ...names])
    await network.run(async () => network.node(name).dial(server.getMultiaddrs()));
  const client = exchangesOf('c1');
  /** What the server answers to each of these, all asked at once. */
  const askAll = (contents: readonly string[], onSent?: () => void) =>
    Promise.all(
      contents.map(async (content) => {
        const { signal } = new AbortController();
        const request = {
          exchange: 'registry',
          frame: frame(content),
          signal,
          ...(onSent && { onSent }),
        } as const;
        return client.ask(server.peerId, request).then(text, () => 'reset');
      }),
    );
  /** Opens streams of another peer; over each it says so much. */
  const open = async (name: string, count: number, bytes: readonly number[]): Promise<Stream[]> =>
    Promise.all(
      Array.from({ length: count }, async () => {
        const stream = await network.node(name).dialProtocol(server.peerId, protocols.registry.name);
        stream.send(new Uint8Array(bytes));
        return stream;
      }),
    );
  return { network, names, askAll, open };
}

/** Resolves after so long in virtual time. */
const after = (network: () => TestNetwork<SimStranger>, ms: number): Promise<void> =>
  new Promise((resolve) => void network().clock.setTimeout(() => resolve(), ms));

describe('what is asked of one peer at the same time', () => {
  test('is answered in order, four at a time', async ({ createNetwork }) => {
    let [open, most] = [0, 0];
    const heard: string[] = [];
    const made = await meet(createNetwork, {
      others: 0,
      answer: async (_, request) => {
        heard.push(text(request));
        most = Math.max(most, ++open);
        await after(() => made.network, 100);
        open--;
        return request;
      },
    });
    const contents = Array.from({ length: 40 }, (_, at) => `question ${at}`);
    const answers = await made.network.run(made.askAll(contents), { timeoutMs: 60_000 });
    expect([answers, heard, most]).toEqual([contents, contents, 4]);
  });

  test('is on its way before there is an answer', async ({ createNetwork }) => {
    const events: string[] = [];
    const made = await meet(createNetwork, {
      others: 0,
      answer: async (_, request) => {
        events.push('heard');
        return request;
      },
    });
    await made.network.run(made.askAll(['question'], () => events.push('sent')));
    expect(events).toEqual(['sent', 'heard']);
  });
});

describe('a peer that opens streams and keeps them', () => {
  test('takes nobody else the place, however many do so', async ({ createNetwork }) => {
    const { network, names, askAll, open } = await meet(createNetwork, {
      others: 20,
      answer: async (_, request) => request,
    });
    // A length, and never the rest.
    const streams = await network.run(Promise.all(names.map((name) => open(name, 8, [5]))));
    await network.runFor(100);
    const kept = streams.map((own) => own.filter(({ status }) => status === 'open').length);
    expect(kept).toEqual([0, 0, 0, 0, ...Array.from({ length: 16 }, () => 4)]);
    expect(await network.run(askAll(['one', 'two']))).toEqual(['one', 'two']);
  });

  test('is not answered more than four times at once, and a node no more than 64 times', async ({
    createNetwork,
  }) => {
    const working = new Map<string, number>();
    const { network, names, askAll, open } = await meet(createNetwork, {
      others: 16,
      answer: async (peerId) => {
        working.set(peerId, (working.get(peerId) ?? 0) + 1);
        return new Promise(() => undefined);
      },
    });
    await network.run(Promise.all(names.map((name) => open(name, 8, [1, 7]))));
    await network.runFor(100);
    expect([...working.values()]).toEqual(names.map(() => 4));
    expect(await network.run(askAll(['one too many']))).toEqual(['reset']);
  });
});

describe('a peer behind a relay', () => {
  /** Connections to a peer. Opening a stream over one tells its name. */
  const connectionOver = (name: string, limits?: object) => ({
    status: 'open',
    limits,
    newStream: () => Promise.reject(new Error(`over ${name}`)),
  });
  const ask = async (connections: readonly object[]): Promise<unknown> => {
    const connectionManager = {
      getConnections: () => connections,
      openConnection: async () => connectionOver('a new one'),
    } as unknown as ConnectionManager;
    const registrar = undefined as unknown as Registrar;
    const ports = {
      registrar,
      connectionManager,
      clock: systemClock,
      timeoutMs: 1,
      onError: () => undefined,
    };
    const { signal } = new AbortController();
    const request = { exchange: 'descriptor', frame: frame('question'), signal } as const;
    return new Exchanges(ports).ask(toPeerId(peerIds.bob), request).catch((error: unknown) => error);
  };

  test('is asked over what there is, the direct way before the relay', async () => {
    const [relayed, direct] = [connectionOver('the relay', {}), connectionOver('the direct one')];
    expect(await ask([relayed])).toEqual(new Error('over the relay'));
    expect(await ask([relayed, direct])).toEqual(new Error('over the direct one'));
    expect(await ask([{ ...direct, status: 'closing' }])).toEqual(new Error('over a new one'));
  });
});

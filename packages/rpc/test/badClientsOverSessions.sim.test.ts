import { encodeCredit, encodeOpenHead, encodeRequestMessage, joinOpen, sessionFrame } from '@lloom/codec';
import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { rpcDefaults } from '../src/config.ts';
import { sessionProtocol } from '../src/internal/protocolIds.ts';
import { HandSession, openBytes, sessionBytes } from './handSession.ts';
import { question } from './nodes.ts';
import { createPair, fidelities, nodes, type SimNode, type SimNodeConfig } from './simulation.ts';

const ping = { type: 'ping' } as const;
const { open, body, end, error, credit, cancel } = sessionFrame;
const mebibyte = 1024 * 1024;

/** A node, and a client that plays a session with it by hand. */
async function attack(
  createNetwork: Parameters<typeof createPair>[0],
  { fidelity, ...executor }: SimNodeConfig & { readonly fidelity: (typeof fidelities)[number] },
) {
  const pair = await createPair(createNetwork, { fidelity, executor });
  const dial = () => pair.asker.node.dialProtocol(pair.executor.node.peerId, sessionProtocol);
  const session = new HandSession(await pair.network.run(dial()));
  return { ...pair, victim: pair.executor, session };
}

/** The head of a ping, as bytes. */
const head = (given: object = {}): Uint8Array =>
  encodeOpenHead({ method: 'ping', stream: false, metadata: {}, ...given });
const pingMessage = encodeRequestMessage(ping);
const openWith = (id: number, bytes: Uint8Array): Uint8Array =>
  sessionBytes(open, id, { payload: joinOpen(bytes, pingMessage) });

describe.for(fidelities)('over %s links', (fidelity) => {
  // Each comes behind a question of id 5 that is being handled, and a request of id 6 that has not come as a whole.
  for (const [name, bytes] of [
    ['uses an id twice', openBytes(5)],
    ['lets its ids fall', openBytes(4)],
    ['sends a body before its request', sessionBytes(body, 7)],
    ['ends a request before it has opened it', sessionBytes(end, 7)],
    ['cancels a request before it has opened it', sessionBytes(cancel, 7)],
    [
      'grants something to a request before it has opened it',
      sessionBytes(credit, 7, { payload: encodeCredit(1) }),
    ],
    ['sends an error', sessionBytes(error, 5)],
    ['grants nothing', sessionBytes(credit, 5, { payload: new Uint8Array(4) })],
    ['sends a request in two messages', sessionBytes(body, 6)],
    [
      'opens a request whose head is longer than its frame',
      sessionBytes(open, 7, { payload: new Uint8Array([0, 9, 1]) }),
    ],
    [
      'opens a request with a head beyond the limit',
      sessionBytes(open, 7, { payload: new Uint8Array(60_000).fill(0xff) }),
    ],
    ['opens a request with nothing', sessionBytes(open, 7)],
    ['uses the id 0', openBytes(7).fill(0, 4, 8)],
    ['says garbage', new Uint8Array(200).fill(0x41)],
    ['says frames beyond the limit', new Uint8Array(200).fill(0xff)],
  ] satisfies [string, Uint8Array][])
    test(`a client that ${name} loses its session and all in it, and nobody else anything`, async ({
      createNetwork,
    }) => {
      const aborts: unknown[] = [];
      const { network, asker, victim, session } = await attack(createNetwork, {
        fidelity,
        serve: (_request, { signal }) =>
          new Promise((resolve) =>
            signal.addEventListener('abort', () => {
              aborts.push(signal.reason);
              resolve(undefined);
            }),
          ),
      });
      const message = await question(asker.identity, victim.identity);
      const half = openBytes(6, { piece: pingMessage, more: true });
      session.write(openBytes(5, { message }), half);
      await network.runFor(500);
      expect(victim.rpc.activeInbound).toBe(2);
      session.write(bytes);
      await network.runFor(500);
      expect(session.stream.status).toBe('reset');
      expect(aborts).toMatchObject([{ code: 'CHANNEL_CLOSED', data: { reason: 'client gone' } }]);
      expect(session.answers).toEqual({});
      expect(new Set(victim.ledger.inboundEnds)).toEqual(new Set(['abandoned']));
      victim.expectNothingLeft();
      await expect(network.run(asker.rpc.request(victim.peerId, ping))).resolves.toEqual({ type: 'pong' });
      victim.expectNothingLeft();
    });

  for (const [name, parts, answer] of [
    ['sends more after its request', [openBytes(1), sessionBytes(body, 1), sessionBytes(end, 1)], ['pong']],
    ['cancels a request that has been answered', [openBytes(1), 'wait', sessionBytes(cancel, 1)], ['pong']],
    [
      'grants more to one that has been answered',
      [openBytes(1), 'wait', sessionBytes(credit, 1, { payload: encodeCredit(0xffff_ffff) })],
      ['pong'],
    ],
    ['says what only a newer one understands', [openBytes(1).fill(0x7f, 3, 4), openBytes(1)], ['pong']],
    [
      'sends its request in pieces',
      [
        openBytes(1, { piece: pingMessage.subarray(0, 1), more: true }),
        sessionBytes(end, 1, { payload: pingMessage.subarray(1) }),
      ],
      ['pong'],
    ],
    [
      'cancels a request that has not come as a whole',
      [openBytes(1, { more: true }), 'wait', sessionBytes(cancel, 1)],
      undefined,
    ],
    ['asks for a method that nobody knows', [openBytes(1, { method: 'sing' })], ['UNSUPPORTED_MESSAGE']],
    [
      'asks by a protocol that nobody serves',
      [openBytes(1, { method: '/no/1.0.0' })],
      ['UNSUPPORTED_PROTOCOL'],
    ],
    [
      'asks for another method than its message',
      [openBytes(1, { method: 'llmRequest' })],
      ['INVALID_REQUEST'],
    ],
    ['sends a head of garbage', [openWith(1, new Uint8Array(40).fill(0xff))], ['INVALID_REQUEST']],
    ['sends an empty head', [openWith(1, new Uint8Array(0))], ['INVALID_REQUEST']],
    [
      'speaks another version',
      [
        openWith(
          1,
          Uint8Array.from(head(), (byte, at) => (at === 1 ? 2 : byte)),
        ),
      ],
      ['INVALID_REQUEST'],
    ],
    [
      'sends a message of garbage',
      [openBytes(1, { piece: new Uint8Array(40).fill(0xff) })],
      ['INVALID_REQUEST'],
    ],
    ['sends no message', [openBytes(1, { piece: new Uint8Array(0) })], ['UNSUPPORTED_MESSAGE']],
    [
      'declares 10 MiB and a byte',
      [openBytes(1, { sizeBytes: 10 * mebibyte + 1, more: true })],
      ['TOO_LARGE'],
    ],
    [
      'sends on although it was refused',
      [
        openBytes(1, { sizeBytes: 10 * mebibyte + 1, more: true }),
        'wait',
        ...Array.from({ length: 4 }, () =>
          sessionBytes(body, 1, { payload: new Uint8Array(60_000), more: true }),
        ),
        sessionBytes(end, 1),
      ],
      ['TOO_LARGE'],
    ],
    [
      'sends less than it declared',
      [openBytes(1, { sizeBytes: 9, more: true }), sessionBytes(end, 1)],
      ['INVALID_REQUEST'],
    ],
    ['sends more than it declared', [openBytes(1, { sizeBytes: 1 })], ['INVALID_REQUEST']],
  ] satisfies [string, readonly (Uint8Array | 'wait')[], string[] | undefined][])
    test(`a client that ${name} is told ${answer?.join() ?? 'nothing'}, once, and its session goes on`, async ({
      createNetwork,
    }) => {
      const { network, victim, session } = await attack(createNetwork, { fidelity });
      let together: Uint8Array[] = [];
      for (const part of [...parts, 'wait'] as const) {
        if (part !== 'wait') {
          together.push(part);
          continue;
        }
        session.write(...together);
        together = [];
        await network.runFor(500);
      }
      session.write(openBytes(2));
      await network.runFor(500);
      expect(session.answers).toEqual({ ...(answer && { 1: answer }), 2: ['pong'] });
      expect(session.isOpen).toBe(true);
      victim.expectNothingLeft();
    });

  test('a client that begins requests and sends nothing of them is told so after 30 s', async ({
    createNetwork,
  }) => {
    const { network, victim, session } = await attack(createNetwork, { fidelity });
    const ids = Array.from({ length: 20 }, (_, index) => index + 1);
    session.write(...ids.map((id) => openBytes(id, { piece: new Uint8Array(0), more: true })));
    await network.runFor(rpcDefaults.requestReadTimeoutMs);
    expect(victim.rpc.activeInbound).toBe(20);
    await network.runFor(200);
    expect(session.answers).toEqual(Object.fromEntries(ids.map((id) => [id, ['INVALID_REQUEST']])));
    expect(victim.ledger.inboundEnds).toEqual(ids.map(() => 'slow'));
    victim.expectNothingLeft();
  });

  for (const [how, leave] of [
    ['closes its side', (session: HandSession) => session.stream.close()],
    ['resets', (session: HandSession) => session.stream.abort(new Error('gone'))],
  ] as const)
    test(`a client that ${how} ends what is handled for it, and nothing else`, async ({ createNetwork }) => {
      const { network, asker, victim, session } = await attack(createNetwork, {
        fidelity,
        serve: () => new Promise<undefined>(() => undefined),
      });
      const message = await question(asker.identity, victim.identity);
      session.write(openBytes(1, { message }), openBytes(2, { more: true }));
      await network.runFor(500);
      expect(victim.rpc.activeInbound).toBe(2);
      const others = asker.rpc.request(victim.peerId, ping);
      void leave(session);
      await expect(network.run(others)).resolves.toEqual({ type: 'pong' });
      await network.runFor(3_000);
      expect(victim.ledger.inboundEnds.toSorted()).toEqual(['abandoned', 'abandoned', 'answered']);
      victim.expectNothingLeft();
    });

  test('a client that asks without end and reads nothing is stopped, and gets every answer when it reads', async ({
    createNetwork,
  }) => {
    const network = await createNetwork<SimNode>({
      nodes: ['asker', 'executor', 'other'],
      link: { delayMs: 10 },
      fidelity,
      createNode: nodes(),
    });
    const [asker, victim, other] = ['asker', 'executor', 'other'].map((name) => network.node(name));
    const session = new HandSession(
      await network.run(asker!.node.dialProtocol(victim!.node.peerId, sessionProtocol)),
    );
    const { stream } = session;
    stream.pause();
    // Answers of some size: with pings it takes a hundred thousand to fill what is not read.
    const asTheyAre = { encode: (bytes: Uint8Array) => bytes, decode: (bytes: Uint8Array) => bytes };
    const bulk = { protocolName: '/test/bulk/1.0.0', request: asTheyAre, response: asTheyAre };
    const handleRequest = () => new Uint8Array(4_096);
    await network.run(victim!.rpc.addProtocol({ ...bulk, handleRequest }));
    let id = 0;
    const ask = async (count: number, metadata: Record<string, string>): Promise<void> => {
      const request = { method: bulk.protocolName, piece: new Uint8Array(1), metadata };
      session.write(...Array.from({ length: count }, () => openBytes(++id, request)));
      await network.runFor(20);
    };
    await ask(1, {});
    const [served] = victim!.sessions();
    for (let round = 0; round < 200 && !served!.writableNeedsDrain; round++) await ask(50, {});
    expect(served!.writableNeedsDrain).toBe(true);
    // What it writes from now on waits at its own side: the node reads no more of it.
    const metadata = { padding: 'x'.repeat(4_000) };
    for (let round = 0; round < 300 && stream.writeBufferLength < mebibyte; round++) await ask(100, metadata);
    expect(stream.writeBufferLength).toBeGreaterThanOrEqual(mebibyte);
    expect(victim!.rpc.activeInbound).toBeLessThanOrEqual(rpcDefaults.maxInboundRequestsPerPeer);
    expect(served!.writeBufferLength).toBeLessThan(mebibyte);
    await expect(network.run(other!.rpc.request(victim!.peerId, ping))).resolves.toEqual({ type: 'pong' });
    stream.resume();
    await network.runFor(60_000);
    const answers = Object.values(session.answers);
    expect(answers).toHaveLength(id);
    expect(answers.filter((told) => told.length !== 1)).toEqual([]);
    expect(new Set(answers.flat())).toEqual(new Set(['BUSY', end]));
    victim!.expectNothingLeft();
  });

  test('a question that is cancelled at once reaches no handler', async ({ createNetwork }) => {
    let handled = 0;
    const { network, asker, victim, session } = await attack(createNetwork, {
      fidelity,
      serve: () => void handled++,
    });
    const message = await question(asker.identity, victim.identity);
    session.write(openBytes(1, { message }), sessionBytes(cancel, 1), openBytes(2));
    await network.runFor(1_000);
    expect(session.answers).toEqual({ 2: ['pong'] });
    expect(handled).toBe(0);
    expect(victim.ledger.inboundEnds).toEqual(['abandoned', 'answered']);
    victim.expectNothingLeft();
  });

  test('a question that comes twice in one session is refused the second time', async ({ createNetwork }) => {
    let handled = 0;
    const { network, asker, victim, session } = await attack(createNetwork, {
      fidelity,
      serve: (_request, { channel }) => channel.fail(`answer ${++handled}`),
    });
    const message = await question(asker.identity, victim.identity);
    session.write(openBytes(1, { message }), openBytes(2, { message }));
    await network.runFor(1_000);
    expect(session.answers).toEqual({ 1: ['REMOTE'], 2: ['SIGNATURE_REFUSED'] });
    expect(handled).toBe(1);
    victim.expectNothingLeft();
  });
});

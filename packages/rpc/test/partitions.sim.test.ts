import { test } from '@lloom/simkit/vitest';
import type { TestNetwork } from '@lloom/simkit';
import { describe, expect } from 'vitest';
import { RpcError } from '../src/index.ts';
import { failure, question } from './nodes.ts';
import {
  createPair,
  ends,
  outcomeOf,
  pause,
  readAll,
  textOf,
  ways,
  words,
  type SimNode,
  type Way,
} from './simulation.ts';

/** How often libp2p asks whether a peer is there, and how long a system sends again before it gives up. */
const pingIntervalMs = 10_000;
const breakAfterMs = 20_000;
const noticeMs = pingIntervalMs + breakAfterMs;
/** How long a service waits for the other side to close a stream. */
const lingerMs = 2_000;
/** How long a node that stops waits for its last words to be taken. */
const goodbyeMs = 250;
/** Far longer than any request of these tests. */
const waits = { timeoutMs: 300_000 };
const ping = { type: 'ping' } as const;

type Stage = 'dialing' | 'sending' | 'awaiting' | 'receiving';
type Network = TestNetwork<SimNode>;

const cuts = {
  'both ways': (network: Network) => network.partition(['asker'], ['executor']),
  'on the way there': (network: Network) => network.partitionOneWay(['asker'], ['executor']),
  'on the way back': (network: Network) => network.partitionOneWay(['executor'], ['asker']),
};
type Cut = keyof typeof cuts;

interface Case extends Way {
  readonly stage: Stage;
}

/** A request that has come to a stage. Its link takes 6 s for a body of 3 MB. */
async function requestAt(createNetwork: Parameters<typeof createPair>[0], { stage, ...way }: Case) {
  const aborts: number[] = [];
  const serve = stage === 'receiving' ? words(20, 500) : words(2, 5_000);
  const { network, asker, executor } = await createPair(createNetwork, {
    ...way,
    link: { delayMs: 50, bandwidthBytesPerSecond: 500_000 },
    executor: {
      serve: (request, context) => {
        context.signal.addEventListener('abort', () => aborts.push(network.clock.elapsed()));
        return serve(request, context);
      },
    },
  });
  const isDialing = stage === 'dialing';
  if (!isDialing) await network.run(asker.rpc.request(executor.peerId, ping));
  const prompt = stage === 'sending' ? 'x'.repeat(3_000_000) : 'Hello';
  const message = await question(asker.identity, executor.identity, { prompt });
  const text = readAll(asker.rpc.stream(executor.peerId, message));
  // Nobody looks at it before the fault has come.
  text.catch(() => undefined);
  if (!isDialing) await network.runFor(3_000);
  const expected = textOf(stage === 'receiving' ? 20 : 2);
  return { network, asker, executor, text, expected, aborts };
}

/** Asks until a peer answers: the first request may find a connection that has died meanwhile. */
async function expectAnswersAgain(network: Network): Promise<void> {
  const [asker, executor] = [network.node('asker'), network.node('executor')];
  const ask = () => asker.rpc.request(executor.peerId, ping, { timeoutMs: 30_000 });
  const outcome = await network.run(outcomeOf(ask()));
  if (outcome !== 'answered') expect(outcome).toBe('CONNECTION_CLOSED');
  await expect(network.run(ask())).resolves.toEqual({ type: 'pong' });
  await network.runFor(150_000);
  asker.expectNothingLeft();
  executor.expectNothingLeft();
}

describe.for(ways)('over $fidelity links by $carrier', (way) => {
  describe.for<Cut>(['both ways', 'on the way there', 'on the way back'])('that are cut %s', (cut) => {
    for (const stage of ['sending', 'awaiting', 'receiving'] as const)
      test(`for 5 s, a request that is ${stage} is answered as if nothing had happened`, async ({
        createNetwork,
      }) => {
        const { network, asker, text, expected } = await requestAt(createNetwork, { ...way, stage });
        cuts[cut](network);
        await network.runFor(5_000);
        network.heal();
        expect(await network.run(text)).toBe(expected);
        expect(ends(asker)).toEqual(['answered', 'answered']);
        await expectAnswersAgain(network);
      });

    for (const [stage, ending] of [
      [
        'dialing',
        { 'both ways': 'DIAL_FAILED', 'on the way there': 'DIAL_FAILED', 'on the way back': 'DIAL_FAILED' },
      ],
      ['sending', {}],
      ['awaiting', { 'on the way there': 'answered' }],
      ['receiving', { 'on the way there': 'answered' }],
    ] satisfies [Stage, Partial<Record<Cut, string>>][])
      test(`for 60 s, a request that is ${stage} ends once, and says what is known`, async ({
        createNetwork,
      }) => {
        const { network, asker, text, expected } = await requestAt(createNetwork, { ...way, stage });
        cuts[cut](network);
        const startMs = network.clock.elapsed();
        let tookMs = 0;
        void text.catch(() => undefined).then(() => (tookMs = network.clock.elapsed() - startMs));
        await network.runFor(60_000);
        network.heal();
        const error = await network.run(
          failure(text).catch(() => undefined),
          waits,
        );
        const code = RpcError.is(error) ? error.code : 'answered';
        expect(code).toBe(ending[cut] ?? 'CONNECTION_CLOSED');
        expect(ends(asker).at(-1)).toBe(code);
        if (code === 'CONNECTION_CLOSED') expect(error).toMatchObject({ data: { outcome: 'unknown' } });
        if (code === 'DIAL_FAILED') expect(error).toMatchObject({ retryable: true });
        if (code === 'answered') expect(await text).toBe(expected);
        // Who hears nothing and can send does not notice before the other side refuses what it sends.
        expect(tookMs).toBeLessThanOrEqual(cut === 'on the way back' ? 60_000 + pingIntervalMs : noticeMs);
        await expectAnswersAgain(network);
      });
  });

  for (const stage of ['sending', 'awaiting', 'receiving'] as const)
    test(`an executor that dies while a request is ${stage} ends it as soon as its system says so, and serves again after a restart`, async ({
      createNetwork,
    }) => {
      const { network, asker, executor, text } = await requestAt(createNetwork, { ...way, stage });
      const startMs = network.clock.elapsed();
      network.crash('executor');
      const error = await network.run(failure(text));
      expect(error).toMatchObject({ code: 'CONNECTION_CLOSED', data: { stage, outcome: 'unknown' } });
      expect(network.clock.elapsed() - startMs).toBeLessThan(2 * 50);
      await network.runFor(lingerMs);
      expect(executor.ledger.wrongEnds).toEqual([]);
      await network.restart('executor');
      await expectAnswersAgain(network);
      expect(ends(asker)).toEqual(['answered', 'CONNECTION_CLOSED', 'answered', 'answered']);
    });

  for (const stage of ['sending', 'awaiting', 'receiving'] as const)
    test(`an executor whose machine dies while a request is ${stage} ends it within 30 s`, async ({
      createNetwork,
    }) => {
      const { network, asker, text } = await requestAt(createNetwork, { ...way, stage });
      const startMs = network.clock.elapsed();
      network.crash('executor', { isSilent: true });
      const error = await network.run(failure(text));
      expect(error).toMatchObject({ code: 'CONNECTION_CLOSED', data: { outcome: 'unknown' } });
      expect(network.clock.elapsed() - startMs).toBeLessThanOrEqual(noticeMs);
      await network.restart('executor');
      await expectAnswersAgain(network);
      expect(ends(asker).slice(0, 2)).toEqual(['answered', 'CONNECTION_CLOSED']);
    });

  for (const [what, stage, limitMs] of [
    ['process', 'awaiting', 50],
    ['process', 'receiving', 50],
    ['machine', 'awaiting', noticeMs],
    ['machine', 'receiving', noticeMs],
  ] as const)
    test(`a client whose ${what} dies while its request is ${stage}: the handler hears of it within ${limitMs} ms`, async ({
      createNetwork,
    }) => {
      const aborts: number[] = [];
      const { network, asker, executor } = await createPair(createNetwork, {
        ...way,
        executor: {
          serve: async function* (_request, { signal }) {
            signal.addEventListener('abort', () => aborts.push(network.clock.elapsed()));
            for (let second = 0; second < 100 && !signal.aborted; second++) {
              if (stage === 'receiving') yield 'word ';
              await pause(1_000);
            }
          },
        },
      });
      const message = await question(asker.identity, executor.identity);
      asker.rpc.stream(executor.peerId, message).result.catch(() => undefined);
      await network.runFor(3_000);
      const startMs = network.clock.elapsed();
      network.crash('asker', { isSilent: what === 'machine' });
      await network.runFor(noticeMs + lingerMs);
      expect(aborts).toHaveLength(1);
      expect(aborts[0]! - startMs).toBeLessThanOrEqual(limitMs);
      expect(executor.ledger.inboundEnds).toEqual(['abandoned']);
      executor.expectNothingLeft();
      expect(asker.ledger.wrongEnds).toEqual([]);
    });

  test('a request that is cancelled while nothing gets through ends at once, and its handler when something does', async ({
    createNetwork,
  }) => {
    const controller = new AbortController();
    const aborts: number[] = [];
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      executor: {
        serve: (_request, { signal }) =>
          new Promise((resolve) =>
            signal.addEventListener('abort', () => {
              aborts.push(network.clock.elapsed());
              resolve(undefined);
            }),
          ),
      },
    });
    const message = await question(asker.identity, executor.identity);
    const { signal } = controller;
    const outcome = failure(asker.rpc.request(executor.peerId, message, { signal }));
    await network.runFor(3_000);
    cuts['both ways'](network);
    const startMs = network.clock.elapsed();
    controller.abort();
    expect(await network.run(outcome)).toMatchObject({ code: 'CANCELLED', data: { stage: 'awaiting' } });
    expect(network.clock.elapsed()).toBe(startMs);
    asker.expectNothingLeft();
    await network.runFor(5_000);
    expect(aborts).toEqual([]);
    network.heal();
    await network.runFor(50);
    expect(aborts).toHaveLength(1);
    executor.expectNothingLeft();
  });

  test('a request that is given up on a young connection takes none of the others with it', async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await createPair(createNetwork, way);
    const { promise: connected, resolve } = Promise.withResolvers<void>();
    asker.node.addEventListener('connection:open', () => {
      network.hold('asker', 'executor');
      resolve();
    });
    const ask = (timeoutMs: number) => outcomeOf(asker.rpc.request(executor.peerId, ping, { timeoutMs }));
    const [impatient, patient] = [
      Array.from({ length: 3 }, () => ask(1_000)),
      Array.from({ length: 29 }, () => ask(60_000)),
    ];
    await network.run(connected);
    expect(await network.run(Promise.all(impatient))).toEqual(Array(3).fill('TIMEOUT'));
    network.release('asker', 'executor');
    expect(await network.run(Promise.all(patient))).toEqual(Array(29).fill('answered'));
    expect(asker.node.getConnections()).toHaveLength(1);
    await network.runFor(lingerMs);
    asker.expectNothingLeft();
    executor.expectNothingLeft();
  });

  test('a drain and a stop end in time although nothing gets through', async ({ createNetwork }) => {
    const { network, executor, text } = await requestAt(createNetwork, { ...way, stage: 'receiving' });
    cuts['both ways'](network);
    const drainMs = 4_000;
    const startMs = network.clock.elapsed();
    await network.run(executor.rpc.drain(drainMs));
    expect(network.clock.elapsed() - startMs).toBeCloseTo(drainMs, 6);
    expect(executor.rpc.activeInbound).toBe(1);
    await network.run(executor.stop());
    expect(network.clock.elapsed() - startMs).toBeLessThanOrEqual(drainMs + 2 * goodbyeMs);
    expect(executor.ledger.inboundEnds).toEqual(['answered', 'interrupted']);
    expect(await network.run(failure(text))).toMatchObject({ code: 'CONNECTION_CLOSED' });
    await network.runFor(lingerMs);
    executor.expectNothingLeft();
  });

  test('a drain does not wait long for a client that was answered and is gone', async ({ createNetwork }) => {
    const { network, asker, executor } = await createPair(createNetwork, way);
    await network.run(asker.rpc.request(executor.peerId, ping));
    cuts['both ways'](network);
    const startMs = network.clock.elapsed();
    await network.run(executor.rpc.drain(10_000));
    expect(network.clock.elapsed() - startMs).toBeCloseTo(lingerMs, 6);
    await network.run(executor.rpc.drain(0));
    expect(network.clock.elapsed() - startMs).toBeCloseTo(lingerMs, 6);
  });

  test('a node that stops while nothing gets through ends its requests at once', async ({
    createNetwork,
  }) => {
    const { network, asker, text } = await requestAt(createNetwork, { ...way, stage: 'awaiting' });
    cuts['both ways'](network);
    const startMs = network.clock.elapsed();
    const stopped = asker.stop();
    expect(await network.run(failure(text))).toMatchObject({ code: 'STOPPED' });
    expect(network.clock.elapsed()).toBe(startMs);
    await network.run(stopped);
    expect(network.clock.elapsed() - startMs).toBeLessThanOrEqual(2 * goodbyeMs);
    asker.expectNothingLeft();
  });
});

for (const way of ways)
  test(`the same cut of the same ${way.fidelity} link by ${way.carrier} gives the same run`, async ({
    createNetwork,
  }) => {
    const runs = new Set<string>();
    for (let time = 0; time < 2; time++) {
      const { network, asker, text } = await requestAt(createNetwork, { ...way, stage: 'receiving' });
      network.setLink('asker', 'executor', { jitterMs: 20, lossRatio: 0.05 });
      cuts['on the way back'](network);
      await network.runFor(60_000);
      network.heal();
      runs.add(await network.run(outcomeOf(text), waits));
      await expectAnswersAgain(network);
      await network.stop();
      asker.expectNothingLeft();
      runs.add(network.trace.hash());
    }
    expect(runs.size).toBe(2);
  });

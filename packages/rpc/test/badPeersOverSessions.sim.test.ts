import {
  encodeAnswerChunk,
  encodeAnswerEnd,
  encodeCredit,
  sessionFrame,
  type SessionFrame,
} from '@lloom/codec';
import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import {
  errorMessage,
  inSession,
  openBytes,
  pongMessage,
  questionIn,
  sessionBytes,
  type HandSession,
} from './handSession.ts';
import { totals } from './misbehaviour.ts';
import { failure, question } from './nodes.ts';
import { createPair, ends, fidelities, outcomeOf, pause, readAll } from './simulation.ts';

const ping = { type: 'ping' } as const;
const call = { timeoutMs: 5_000 };
const { body, end, error, credit, cancel } = sessionFrame;

type Act = (session: HandSession, open: SessionFrame) => unknown;

/** The whole answer to a ping. */
const pong = (id: number): Uint8Array => sessionBytes(end, id, { payload: pongMessage });
const chunk = (sequence: number, length: number): Uint8Array =>
  encodeAnswerChunk({ type: 'chunk', sequence, text: 'x'.repeat(length), tokens: 1 });

/**
 * Two pings in one session. The peer answers the first half a second later, unless the session has ended, and misbehaves
 * at the second; from then on it behaves.
 */
async function twoPings(createNetwork: Parameters<typeof createPair>[0], { fidelity, act }: Case) {
  let [opened, isBad] = [0, true];
  const sessions = new Set<HandSession>();
  const { network, asker, executor } = await createPair(createNetwork, {
    fidelity,
    asker: { maxResponseSizeBytes: 200_000 },
    executor: {
      misbehaveInSession: inSession((session, open) => {
        sessions.add(session);
        opened++;
        if (opened === 2 && isBad) {
          isBad = false;
          act(session, open);
        } else if (opened === 1) void pause(500).then(() => session.pong(open.id));
        else session.pong(open.id);
      }),
    },
  });
  const pings = [1, 2].map(() => asker.rpc.request(executor.peerId, ping, call));
  const errors = await network.run(
    Promise.all(
      pings.map((request) =>
        request.then(
          () => undefined,
          (thrown: unknown) => thrown,
        ),
      ),
    ),
  );
  const next = await network.run(outcomeOf(asker.rpc.request(executor.peerId, ping, call)));
  return { network, asker, executor, errors, next, sessions };
}

interface Case {
  readonly fidelity: (typeof fidelities)[number];
  readonly act: Act;
}

describe.for(fidelities)('over %s links', (fidelity) => {
  for (const [name, act] of [
    ['ends a request that was never made', (session, { id }) => session.write(sessionBytes(end, id + 1))],
    ['fails a request that was never made', (session, { id }) => session.write(sessionBytes(error, id + 7))],
    ['opens a request in a session of the other side', (session, { id }) => session.write(openBytes(id))],
    ['cancels a request of the other side', (session, { id }) => session.write(sessionBytes(cancel, id))],
    [
      'grants nothing',
      (session, { id }) => session.write(sessionBytes(credit, id, { payload: new Uint8Array(4) })),
    ],
    ['says garbage', (session) => session.write(new Uint8Array(200).fill(0x41))],
    ['says frames beyond the limit', (session) => session.write(new Uint8Array(200).fill(0xff))],
    ['closes its side', (session) => session.stream.close()],
    [
      'closes its side inside a frame',
      (session, { id }) => {
        session.write(pong(id).subarray(0, 9));
        return session.stream.close();
      },
    ],
    ['resets after the open', (session) => session.stream.abort(new Error('no'))],
    [
      'resets inside a frame',
      (session, { id }) => {
        session.write(pong(id).subarray(0, 9));
        session.stream.abort(new Error('no'));
      },
    ],
    [
      'resets inside a message',
      async (session, { id }) => {
        session.write(sessionBytes(body, id, { payload: new Uint8Array(9), more: true }));
        await pause(100);
        session.stream.abort(new Error('no'));
      },
    ],
  ] satisfies [string, Act][])
    test(`a peer that ${name} fails what was sent in the session as unknown, and the next request opens another one`, async ({
      createNetwork,
    }) => {
      const { network, asker, errors, next, sessions } = await twoPings(createNetwork, { fidelity, act });
      for (const thrown of errors)
        expect(thrown).toMatchObject({
          code: 'CONNECTION_CLOSED',
          retryable: true,
          data: { outcome: 'unknown' },
        });
      expect(next).toBe('answered');
      expect(sessions.size).toBe(2);
      await network.runFor(3_000);
      expect(ends(asker)).toEqual(['CONNECTION_CLOSED', 'CONNECTION_CLOSED', 'answered']);
      expect(asker.sessions()).toHaveLength(1);
      asker.expectNothingLeft();
    });

  for (const [name, act, code] of [
    ['ends twice', (session, { id }) => session.write(pong(id), pong(id)), 'answered'],
    [
      'ends, then fails',
      (session, { id }) =>
        session.write(pong(id), sessionBytes(error, id, { payload: errorMessage('BUSY') })),
      'answered',
    ],
    [
      'ends, then talks on',
      (session, { id }) => session.write(pong(id), sessionBytes(body, id, { payload: chunk(0, 9) })),
      'answered',
    ],
    [
      'ends, then grants',
      (session, { id }) => session.write(pong(id), sessionBytes(credit, id, { payload: encodeCredit(9) })),
      'answered',
    ],
    [
      'ends again a second later',
      async (session, { id }) => {
        session.pong(id);
        await pause(1_000);
        session.pong(id);
      },
      'answered',
    ],
    [
      'says what only a newer one understands',
      (session, { id }) => {
        const frame = sessionBytes(body, id, { payload: new Uint8Array(9) });
        frame[3] = 0x7f;
        session.write(frame, pong(id));
      },
      'answered',
    ],
    [
      'grants more than can be counted',
      (session, { id }) => {
        const grant = sessionBytes(credit, id, { payload: encodeCredit(0xffff_ffff) });
        session.write(...Array.from({ length: 100 }, () => grant), pong(id));
      },
      'answered',
    ],
    [
      'sends an end in pieces',
      (session, { id }) => {
        session.write(sessionBytes(body, id, { payload: pongMessage.subarray(0, 1), more: true }));
        session.write(sessionBytes(end, id, { payload: pongMessage.subarray(1) }));
      },
      'answered',
    ],
    [
      'says a code that nobody knows',
      (session, { id }) =>
        session.write(sessionBytes(error, id, { payload: errorMessage('TEAPOT', 'x'.repeat(999)) })),
      'REMOTE',
    ],
    [
      'says an error of garbage',
      (session, { id }) => session.write(sessionBytes(error, id, { payload: new Uint8Array(9).fill(0xff) })),
      'INVALID_RESPONSE',
    ],
    [
      'ends with garbage',
      (session, { id }) => session.write(sessionBytes(end, id, { payload: new Uint8Array(9).fill(0xff) })),
      'INVALID_RESPONSE',
    ],
    ['ends with nothing', (session, { id }) => session.write(sessionBytes(end, id)), 'INVALID_RESPONSE'],
    [
      'answers another kind of request',
      (session, { id }) => session.write(sessionBytes(body, id, { payload: chunk(0, 9) })),
      'INVALID_RESPONSE',
    ],
    [
      'answers with chunks of nothing',
      (session, { id }) => session.write(...Array.from({ length: 9 }, () => sessionBytes(body, id))),
      'INVALID_RESPONSE',
    ],
    [
      'answers with an error as its response',
      (session, { id }) => {
        const payload = encodeAnswerEnd({ type: 'end', response: { type: 'error', message: 'no' } });
        session.write(sessionBytes(end, id, { payload }));
      },
      'REMOTE',
    ],
    [
      'answers more than it may',
      (session, { id }) => {
        const payload = new Uint8Array(60_000);
        for (let piece = 0; piece < 4; piece++)
          session.write(sessionBytes(body, id, { payload, more: true }));
      },
      'TOO_LARGE',
    ],
  ] satisfies [string, Act, string][])
    test(`of a peer that ${name} a request ends as ${code}, and the session goes on`, async ({
      createNetwork,
    }) => {
      const { network, asker, errors, next, sessions } = await twoPings(createNetwork, { fidelity, act });
      const [first, second] = errors;
      expect(first).toBeUndefined();
      if (code === 'answered') expect(second).toBeUndefined();
      else expect(second).toMatchObject({ name: 'RpcError', code });
      expect(next).toBe('answered');
      await network.runFor(3_000);
      expect(sessions.size).toBe(1);
      expect(ends(asker).toSorted()).toEqual(['answered', 'answered', code].toSorted());
      asker.expectNothingLeft();
    });

  for (const [name, act] of [
    ['answers nothing', () => undefined],
    ['answers one byte and no more', (session, { id }) => session.write(pong(id).subarray(0, 1))],
    ['answers half a frame and no more', (session, { id }) => session.write(pong(id).subarray(0, 9))],
    ['reads no more', (session) => session.stream.pause()],
  ] satisfies [string, Act][])
    test(`a peer that ${name} costs a request its time and nothing else, and others are asked meanwhile`, async ({
      createNetwork,
    }) => {
      const { network, asker, executor } = await createPair(createNetwork, {
        fidelity,
        executor: { misbehaveInSession: inSession(act) },
      });
      const startMs = network.clock.elapsed();
      const thrown = await network.run(failure(asker.rpc.request(executor.peerId, ping, call)));
      expect(thrown).toMatchObject({ code: 'TIMEOUT', data: { stage: 'awaiting', waitedMs: 5_000 } });
      expect(network.clock.elapsed() - startMs).toBe(5_000);
      await expect(network.run(executor.rpc.request(asker.peerId, ping))).resolves.toEqual({ type: 'pong' });
      asker.expectNothingLeft();
      expect(ends(asker)).toEqual(['TIMEOUT']);
    });

  test('a peer that resets each session at once fails requests one by one, and streams to others work', async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      fidelity,
      executor: { misbehaveInSession: (stream) => stream.abort(new Error('no')) },
    });
    for (let time = 0; time < 5; time++) {
      const thrown = await network.run(failure(asker.rpc.request(executor.peerId, ping, call)));
      expect(thrown).toMatchObject({ code: 'CONNECTION_CLOSED', data: { requestId: expect.any(String) } });
    }
    await network.runFor(3_000);
    expect(asker.sessions()).toEqual([]);
    asker.expectNothingLeft();
  });

  test('a peer that never reads stops a large request and grows nothing here', async ({ createNetwork }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      fidelity,
      executor: { misbehaveInSession: (stream) => stream.pause() },
    });
    const large = await question(asker.identity, executor.identity, { prompt: 'x'.repeat(2_000_000) });
    const ask = () => asker.rpc.request(executor.peerId, large, call);
    const thrown = await network.run(failure(ask()));
    expect(thrown).toMatchObject({ code: 'TIMEOUT', data: { stage: 'sending', waitedMs: 5_000 } });
    const waitingBytes: number[] = [];
    for (let round = 0; round < 4; round++) {
      const outcomes = Promise.all([...Array.from({ length: 10 }, ask), ...pings(20)].map(outcomeOf));
      expect(new Set(await network.run(outcomes))).toEqual(new Set(['TIMEOUT']));
      waitingBytes.push(asker.sessions()[0]!.writeBufferLength);
    }
    // What was written before the peer stopped, and a few bytes for each of those that had begun and are cancelled.
    const [first, ...later] = waitingBytes;
    expect(first).toBeLessThan(3 * 1_048_576);
    expect(Math.max(...later)).toBeLessThan(first! + 4_096);
    expect(asker.ledger.timers.size).toBe(0);
    expect(asker.rpc.pendingRequests()).toEqual([]);

    function pings(count: number) {
      return Array.from({ length: count }, () => asker.rpc.request(executor.peerId, ping, call));
    }
  });

  test('a peer that sends chunks beyond what it was granted shows its reader what was granted, then nothing', async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      fidelity,
      executor: {
        misbehaveInSession: inSession((session, { id }) => {
          for (let sequence = 0; sequence < 5; sequence++)
            session.write(sessionBytes(body, id, { payload: chunk(sequence, 60_000) }));
        }),
      },
    });
    const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity));
    await network.runFor(3_000);
    const seen: number[] = [];
    const read = async (): Promise<void> => {
      for await (const { text } of answer) seen.push(text.length);
    };
    expect(await network.run(failure(read()))).toMatchObject({
      code: 'CONNECTION_CLOSED',
      data: { stage: 'receiving', outcome: 'unknown' },
    });
    expect(seen).toEqual([60_000, 60_000, 60_000, 60_000]);
    await network.runFor(3_000);
    expect(asker.sessions()).toEqual([]);
    asker.expectNothingLeft();
  });

  test('a proven answer that comes twice is one answer, and its text is shown once', async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      fidelity,
      executor: {
        misbehaveInSession: inSession(async (session, open) => {
          const request = questionIn(open);
          const { identity } = executor;
          const requestDigest = identity.verifier().digest(request.payloadBytes);
          const response = await identity.sign(
            { content: 'proven', ...totals, requestDigest },
            { to: request.signer, inReplyTo: requestDigest },
          );
          const payload = encodeAnswerEnd({ type: 'end', response: { type: 'llmResponse', response } });
          const bytes = sessionBytes(end, open.id, { payload });
          session.write(bytes, bytes);
        }),
      },
    });
    const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity));
    expect(await network.run(readAll(answer))).toBe('proven');
    await network.runFor(3_000);
    expect(ends(asker)).toEqual(['answered']);
    expect(asker.sessions()).toHaveLength(1);
    asker.expectNothingLeft();
  });

  test('a peer that sends its answers in its own session answers nothing', async ({ createNetwork }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      fidelity,
      executor: {
        misbehaveInSession: inSession(async (session, { id }) => {
          const back = await executor.node.dialProtocol(asker.node.peerId, '/lloom/rpc/1.0.0');
          back.send(pong(id));
          await pause(500);
          session.pong(id);
        }),
      },
    });
    const startMs = network.clock.elapsed();
    await expect(network.run(asker.rpc.request(executor.peerId, ping))).resolves.toEqual({ type: 'pong' });
    expect(network.clock.elapsed() - startMs).toBeGreaterThan(500);
    await network.runFor(3_000);
    expect(ends(asker)).toEqual(['answered']);
    expect(asker.sessions().map(({ direction }) => direction)).toEqual(['outbound']);
    asker.expectNothingLeft();
  });
});

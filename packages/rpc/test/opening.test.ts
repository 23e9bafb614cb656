import { AbortError, TimeoutError, type Connection, type Logger, type Stream } from '@libp2p/interface';
import { toPeerId } from '@lloom/core';
import { Identity } from '@lloom/identity';
import { describe, expect, test, vi } from 'vitest';
import { Libp2pNetwork } from '../src/adapters/libp2p.ts';
import { reqRespProtocol as protocol } from '../src/internal/protocolIds.ts';
import { failure } from './nodes.ts';

const self = toPeerId(Identity.generate().peerId);
const peerId = Identity.generate().peerId;
const log = Object.assign(() => undefined, { error: () => undefined }) as unknown as Logger;

/** A network with one connection, on which the first stream is negotiated for as long as a test wants. */
function createNetwork() {
  const first = Promise.withResolvers<Stream>();
  const asked: AbortSignal[] = [];
  const newStream = (_protocol: string, { signal }: { signal: AbortSignal }): Promise<Stream> => {
    asked.push(signal);
    return asked.length === 1 ? first.promise : Promise.reject(new Error('not this one'));
  };
  const connection = { newStream, log, status: 'open' } as unknown as Connection;
  const network = new Libp2pNetwork({
    peerId: self,
    registrar: { handle: () => Promise.resolve(), unhandle: () => Promise.resolve() },
    peerStore: { get: () => Promise.reject(new Error('nothing is known')) },
    connectionManager: {
      openConnection: () => Promise.resolve(connection),
      getConnections: () => [],
      getDialQueue: () => [],
    },
    events: { addEventListener: () => undefined, removeEventListener: () => undefined },
    logger: { forComponent: () => log },
  });
  const open = (requestId: string, signal: AbortSignal) =>
    network.open(peerId, { requestId, signal, protocol });
  return { first, asked, open };
}

test('a request that is given up while another one goes first ends at once', async () => {
  const { first, asked, open } = createNetwork();
  const controller = new AbortController();
  const leading = failure(open('leading', new AbortController().signal));
  const waiting = failure(open('waiting', controller.signal));
  controller.abort(new Error('given up'));
  const error = await Promise.race([waiting, leading]);
  expect(error).toMatchObject({ data: { requestId: 'waiting', reason: 'given up' } });
  first.reject(new Error('the peer is gone'));
  expect(await leading).toMatchObject({ data: { requestId: 'leading' } });
  expect(asked).toHaveLength(1);
});

test('a request goes first when the one before it failed to', async () => {
  const { first, asked, open } = createNetwork();
  const leading = failure(open('leading', new AbortController().signal));
  const waiting = failure(open('waiting', new AbortController().signal));
  first.reject(new Error('the peer is gone'));
  expect(await leading).toMatchObject({ code: 'CONNECTION_CLOSED', data: { reason: 'the peer is gone' } });
  expect(await waiting).toMatchObject({ code: 'CONNECTION_CLOSED', data: { reason: 'not this one' } });
  expect(asked).toHaveLength(2);
});

/** A network without a connection, whose dials end as the test says, one after another. */
function createDialing(ends: readonly (() => Promise<Connection>)[], isJoined = false) {
  let dials = 0;
  const network = new Libp2pNetwork({
    peerId: self,
    registrar: { handle: () => Promise.resolve(), unhandle: () => Promise.resolve() },
    peerStore: { get: () => Promise.reject(new Error('nothing is known')) },
    connectionManager: {
      openConnection: () => ends[dials++]!(),
      getConnections: () => [],
      getDialQueue: () =>
        isJoined ? [{ id: '1', status: 'active', peerId: toPeerId(peerId), multiaddrs: [] }] : [],
    },
    events: { addEventListener: () => undefined, removeEventListener: () => undefined },
    logger: { forComponent: () => log },
  });
  const open = (signal: AbortSignal) => network.open(peerId, { requestId: 'request', signal, protocol });
  return { open, dials: () => dials };
}

describe('a dial', () => {
  const aborted = new AbortError('The operation was aborted');
  const stream = { status: 'open', addEventListener: () => undefined } as unknown as Stream;
  const connection = { newStream: () => Promise.resolve(stream), log } as unknown as Connection;
  const fails = (error: Error) => () => Promise.reject(error);
  const opens = () => Promise.resolve(connection);

  test.each([
    ['it', aborted],
    ['that to one address of several', new AggregateError([new Error('refused'), aborted])],
    ['that to a relay in between', new TimeoutError('The operation was aborted')],
  ])('that ends because somebody else gave %s up is made once more', async (_, error) => {
    const { open, dials } = createDialing([fails(error), opens]);
    await open(new AbortController().signal);
    expect(dials()).toBe(2);
  });

  test('that others began and that found nobody is made once more, for it tried their addresses', async () => {
    const { open, dials } = createDialing([fails(new Error('refused')), opens], true);
    await open(new AbortController().signal);
    expect(dials()).toBe(2);
  });

  test('is made three times at most', async () => {
    const { open, dials } = createDialing([fails(aborted), fails(aborted), fails(aborted)]);
    expect(await failure(open(new AbortController().signal))).toMatchObject({ code: 'DIAL_FAILED' });
    expect(dials()).toBe(3);
  });

  test('is not made again by a request that is given up itself, or when it failed otherwise', async () => {
    const controller = new AbortController();
    const given = createDialing([
      () => {
        controller.abort();
        return Promise.reject(aborted);
      },
    ]);
    expect(await failure(given.open(controller.signal))).toMatchObject({ code: 'DIAL_FAILED' });
    const refused = createDialing([fails(new Error('refused'))]);
    expect(await failure(refused.open(new AbortController().signal))).toMatchObject({ code: 'DIAL_FAILED' });
    expect([given.dials(), refused.dials()]).toEqual([1, 1]);
  });

  test.each([
    ['is made again when it was shared', true, 3],
    ['is not made again when it was its own, for an address has run out of time', false, 1],
  ])('that ends after seconds %s', async (_, isJoined, count) => {
    const late = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(AbortSignal.abort());
    try {
      const { open, dials } = createDialing([fails(aborted), fails(aborted), fails(aborted)], isJoined);
      await failure(open(new AbortController().signal));
      expect(dials()).toBe(count);
    } finally {
      late.mockRestore();
    }
  });
});

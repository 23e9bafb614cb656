import type { Connection, Logger, Stream } from '@libp2p/interface';
import { toPeerId } from '@lloom/core';
import { Identity } from '@lloom/identity';
import { expect, test } from 'vitest';
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
  const connection = { newStream, log } as unknown as Connection;
  const network = new Libp2pNetwork({
    peerId: self,
    registrar: { handle: () => Promise.resolve(), unhandle: () => Promise.resolve() },
    peerStore: { get: () => Promise.reject(new Error('nothing is known')) },
    connectionManager: { openConnection: () => Promise.resolve(connection), getConnections: () => [] },
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

import { Uint8ArrayList } from 'uint8arraylist';
import type { ConnectionEncrypter, MessageStream } from '@libp2p/interface';
import { readLengthsQuietly } from './quietLengths.ts';

/** A record of Noise holds no more. What waits for the end of a turn never exceeds this by more than one message. */
const recordBytes = 65_519;

/** The parts of a larger record are written one by one: copying them costs more than a second write. */
const joinedBytes = 16_384;

/**
 * An encrypter whose connections send what is written within one turn of the event loop as one: one record and one write
 * for many messages. Takes the place of the encrypter that it is given: `connectionEncrypters: [batched(noise())]`.
 *
 * Bytes, their order and back-pressure stay as they are; a writer is told to wait at most one record later. Whoever sends
 * bytes must not change them in the same turn.
 */
export function batched<Components, Extensions>(
  create: (components: Components) => ConnectionEncrypter<Extensions>,
): (components: Components) => ConnectionEncrypter<Extensions> {
  return (components) => {
    const encrypter = create(components);
    const withBatches =
      (secure: Secure<Extensions>): Secure<Extensions> =>
      async (raw, config) => {
        const result = await secure(raw, config);
        // Beneath a connection protector libp2p closes another stream than this one, past what waits here.
        if ('remoteAddr' in raw) batchTurns(raw, result.connection);
        readLengthsQuietly(result.connection);
        return result;
      };
    return Object.assign(encrypter, {
      secureInbound: withBatches(encrypter.secureInbound.bind(encrypter)),
      secureOutbound: withBatches(encrypter.secureOutbound.bind(encrypter)),
    });
  };
}

type Secure<Extensions> = ConnectionEncrypter<Extensions>['secureInbound'];

/** Lets `secured` collect what is sent within a turn, and `raw`, to which it writes, join the parts of each record. */
function batchTurns(raw: MessageStream, secured: MessageStream): void {
  const write = raw.send.bind(raw);
  raw.send = (data) =>
    write(data instanceof Uint8Array || data.byteLength > joinedBytes ? data : data.subarray());

  const send = secured.send.bind(secured);
  let waiting: Uint8ArrayList | undefined;
  const flush = (): boolean => {
    const data = waiting;
    waiting = undefined;
    if (data === undefined || !isOpen()) return false;
    return send(data);
  };
  const isOpen = (): boolean => raw.status === 'open' && secured.status === 'open';
  const flushSafely = (): void => {
    try {
      flush();
    } catch {
      // The stream has aborted itself with the same error, and told everybody.
    }
  };

  secured.send = (data) => {
    if (!isOpen()) return send(data);
    // What does not fit into this record any more begins the next one: cut in two, it would be copied on both sides.
    if (waiting !== undefined && waiting.byteLength + data.byteLength > recordBytes) flush();
    if (waiting === undefined) {
      waiting = new Uint8ArrayList();
      process.nextTick(flushSafely);
    }
    waiting.append(data);
    return waiting.byteLength < recordBytes && !secured.writableNeedsDrain ? true : flush();
  };
  flushBefore(raw, 'close', flushSafely);
  flushBefore(raw, 'abort', flushSafely);
  flushBefore(secured, 'abort', flushSafely);
}

/** What was sent before the end is sent before it, as without batches. */
function flushBefore(stream: MessageStream, end: 'close' | 'abort', flush: () => void): void {
  const act = stream[end].bind(stream) as (argument: never) => unknown;
  Object.assign(stream, {
    [end](argument: never) {
      flush();
      return act(argument);
    },
  });
}

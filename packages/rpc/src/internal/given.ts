import { CodecError, type LlmRequest, type RequestMessage } from '@lloom/codec';
import { AddressError, ConfigError, errorText, toPeerId } from '@lloom/core';
import type { PeerId } from '@libp2p/interface';

/** A value that was given in place of another, as an error shows it. Never throws. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(errorText(value, 64));
  if (value === null) return 'null';
  return typeof value === 'object' || typeof value === 'function' ? typeof value : errorText(value, 64);
}

/** @throws {ConfigError} unless `value` is a function */
export function checkFunction(path: string, value: unknown): void {
  if (typeof value !== 'function') throw new ConfigError([{ path, got: shown(value), wanted: 'a function' }]);
}

const dayMs = 86_400_000;

/** @throws {ConfigError} unless `value` is a time in ms, of at most a day */
export function checkTime(path: string, value: unknown): void {
  if (typeof value === 'number' && value >= 0 && value <= dayMs) return;
  throw new ConfigError([{ path, got: shown(value), wanted: `a number of ms from 0 to ${dayMs}` }]);
}

/**
 * The text of a peer id. One that is a text already is not read: that is dear.
 * @throws {AddressError} `INVALID_PEER_ID` when it is neither a text nor a peer id
 */
export function peerText(peerId: PeerId | string): string {
  if (typeof peerId === 'string') return peerId;
  try {
    return toPeerId(peerId).toString();
  } catch (cause) {
    throw new AddressError('INVALID_PEER_ID', { got: shown(peerId) }, { cause });
  }
}

/** @throws {CodecError} `INVALID_FIELD` when a message has another type */
export function checkType({ type }: RequestMessage, wanted: RequestMessage['type']): void {
  if (type === wanted) return;
  throw new CodecError('INVALID_FIELD', {
    path: 'RequestMessage.type',
    got: shown(type),
    wanted: `"${wanted}"`,
  });
}

/**
 * The payload that stands beside its bytes, which alone are sent.
 * @throws {CodecError} `INVALID_FIELD` when there is none
 */
export function checkPayload(payload: LlmRequest | undefined): LlmRequest {
  if (typeof payload?.idempotencyKey === 'string') return payload;
  const path = 'RequestMessage.request.payload';
  throw new CodecError('INVALID_FIELD', { path, got: shown(payload), wanted: 'an LlmRequest' });
}

import { orAbort } from '@lloom/core';
import { RpcError } from './errors.ts';
import type { Carrier } from './internal/exchange.ts';
import type { RpcRuntime } from './runtime.ts';
import type { RequestId } from './types.ts';

/** What travels beside a body, at most. */
const maxHeadBytes = 8 * 1024;
/** How long room is waited for, in ms: another connection through a relay, or a direct one that both sides agree on. */
const roomMs = 10_000;
/** Of the time that a request has left, what it may wait for room: the rest is for its answer. */
const roomShare = 1 / 3;

/** What is to get through, and to whom. */
export interface RoomRequest {
  readonly requestId: RequestId;
  readonly peerId: string;
  readonly body: Uint8Array;
}

/** For how long room may be waited for. */
export interface RoomTimes {
  /** What the request has left now, in ms. */
  readonly leftMs: () => number;
  /** Fires when it has ended. */
  readonly signal: AbortSignal;
}

/** What a request fails with that a relay would cut, and of which nothing was sent; `undefined`: it gets through. */
export function shortageOf(runtime: RpcRuntime, request: RoomRequest): RpcError | undefined {
  const { relayBudget, carriers } = runtime;
  if (relayBudget === undefined) return undefined;
  const { requestId, peerId, body } = request;
  const carrier = carriers.find(peerId);
  const known = relayBudget.bytesLeft(peerId, carrier?.connectionId);
  if (known === undefined) return undefined;
  const bytesLeft = carrier?.spareOf?.(known) ?? known;
  if (body.length + maxHeadBytes <= bytesLeft) return undefined;
  return new RpcError('RELAY_LIMIT', { requestId, peerId, by: 'this node', bytesLeft });
}

/**
 * Sends a request as soon as there is a way to the peer, with room for it: checked in the turn in which it is sent, for others
 * take room as well.
 * @throws {RpcError} `RELAY_LIMIT`, or why there is no way; the signal's reason
 */
export async function sendWithRoom(
  runtime: RpcRuntime,
  request: RoomRequest,
  { send, ...times }: RoomTimes & { readonly send: (carrier: Carrier) => void },
): Promise<void> {
  const { carriers } = runtime;
  const { requestId, peerId, body } = request;
  const { signal } = times;
  const carrier = carriers.find(peerId) ?? (await carriers.get(peerId, { requestId, signal }));
  const shortage = shortageOf(runtime, request);
  if (shortage === undefined) return send(carrier);
  if (!(await makeRoom(runtime, { peerId, bytes: body.length + maxHeadBytes }, times))) throw shortage;
  const better = carriers.find(peerId) ?? (await carriers.get(peerId, { requestId, signal }));
  const stillShort = shortageOf(runtime, request);
  if (stillShort !== undefined) throw stillShort;
  send(better);
}

/** What makes room to peers for one request. Never rejects. `undefined`: nobody can. */
export function roomMaker(
  runtime: RpcRuntime,
  times: RoomTimes,
): ((peerId: string, bytes: number) => Promise<boolean>) | undefined {
  if (runtime.relayBudget?.makeRoom === undefined) return undefined;
  return (peerId, bytes) => makeRoom(runtime, { peerId, bytes }, times);
}

async function makeRoom(
  { relayBudget, clock, network }: RpcRuntime,
  { peerId, bytes }: { readonly peerId: string; readonly bytes: number },
  { leftMs, signal }: RoomTimes,
): Promise<boolean> {
  if (relayBudget?.makeRoom === undefined || signal.aborted) return false;
  const controller = new AbortController();
  const stop = (): void => controller.abort(new Error('nobody waits for room any more'));
  const timer = clock.setTimeout(stop, Math.min(roomMs, leftMs() * roomShare));
  signal.addEventListener('abort', stop, { once: true });
  try {
    // A budget that does not listen keeps nobody waiting.
    const making = relayBudget.makeRoom(peerId, bytes, { signal: controller.signal });
    return await orAbort(making, controller.signal);
  } catch (error) {
    if (!controller.signal.aborted) network.log('no room could be made', error);
    return false;
  } finally {
    clock.clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

import { orAbort } from '@lloom/core';
import { RpcError } from './errors.ts';
import type { Carrier } from './internal/exchange.ts';
import { roomMs } from './internal/relayRoom.ts';
import type { RpcRuntime } from './runtime.ts';
import type { RequestId } from './types.ts';

/** What travels beside a body, at most. */
const maxHeadBytes = 8 * 1024;
/** What an answer needs beside that, in bytes: an executor keeps half of it for its last words. */
const answerBytes = 16 * 1024;
/** A connection that carries less is left behind when the peer has refused something on it, in bytes. */
const spentBytes = 64 * 1024;
/** The same for a request that can be sent without. */
const wishMs = 5_000;
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

/** Room that is to be made before a request is sent. */
interface Want {
  readonly bytes: number;
  /** What it fails with without; `undefined`: it can be sent, and its answer will hardly fit. */
  readonly shortage: RpcError | undefined;
}

/** What a request fails with that a relay would cut, and of which nothing was sent; `undefined`: it gets through. */
export function shortageOf(runtime: RpcRuntime, request: RoomRequest): RpcError | undefined {
  return wantOf(runtime, request, 0)?.shortage;
}

/** Whether a relay may cut an answer of that peer, and more room may be made then. */
export function mayOutgrow({ relayBudget }: RpcRuntime, peerId: string): boolean {
  return relayBudget?.makeRoom !== undefined && relayBudget.bytesLeft(peerId) !== undefined;
}

/** Whether room is to be made before a request is sent. Pings are answered by a few bytes. */
export function wantsRoom(runtime: RpcRuntime, request: RoomRequest & { readonly method: string }): boolean {
  return wantOf(runtime, request, answerRoom(runtime, request)) !== undefined;
}

/**
 * Sends a request as soon as there is a way to the peer, with room for it: checked in the turn in which it is sent, for others
 * take room as well.
 * @throws {RpcError} `RELAY_LIMIT`, or why there is no way; the signal's reason
 */
export async function sendWithRoom(
  runtime: RpcRuntime,
  request: RoomRequest & { readonly method: string },
  { send, ...times }: RoomTimes & { readonly send: (carrier: Carrier) => void },
): Promise<void> {
  const { carriers } = runtime;
  const { requestId, peerId } = request;
  const { signal } = times;
  const ahead = answerRoom(runtime, request);
  // A connection that is used up does not carry a new session either.
  let want = wantOf(runtime, request, ahead);
  if (want === undefined) {
    const carrier = carriers.find(peerId) ?? (await carriers.get(peerId, { requestId, signal }));
    want = wantOf(runtime, request, ahead);
    if (want === undefined) return send(carrier);
  }
  const { bytes, shortage } = want;
  const mostMs = shortage === undefined ? wishMs : roomMs;
  if (!(await makeRoom(runtime, { peerId, bytes, mostMs }, times)) && shortage !== undefined) throw shortage;
  signal.throwIfAborted();
  const better = carriers.find(peerId) ?? (await carriers.get(peerId, { requestId, signal }));
  const stillShort = shortageOf(runtime, request);
  if (stillShort !== undefined) throw stillShort;
  send(better);
}

function answerRoom({ relayBudget }: RpcRuntime, { method }: { readonly method: string }): number {
  return relayBudget?.makeRoom === undefined || method === 'ping' ? 0 : answerBytes;
}

/** @param ahead what is wanted beside what the request takes itself, in bytes */
function wantOf(
  { relayBudget, carriers }: RpcRuntime,
  { requestId, peerId, body }: RoomRequest,
  ahead: number,
): Want | undefined {
  if (relayBudget === undefined) return undefined;
  const carrier = carriers.find(peerId);
  const known = relayBudget.bytesLeft(peerId, carrier?.connectionId);
  if (known === undefined) return undefined;
  const bytesLeft = carrier?.spareOf?.(known) ?? known;
  const least = body.length + maxHeadBytes;
  // The peer may count more carefully. What it has refused may also have been too large for any relay.
  const isSpent = ahead > 0 && carrier?.isSpent === true && known < spentBytes;
  if (least + ahead <= bytesLeft && !isSpent) return undefined;
  // Who makes room does not know what is under way.
  const underWay = known - bytesLeft;
  const wished = Math.max(least + ahead + underWay, isSpent ? known + 1 : 0);
  if (least <= bytesLeft) return { bytes: wished, shortage: undefined };
  const shortage = new RpcError('RELAY_LIMIT', { requestId, peerId, by: 'this node', bytesLeft });
  return { bytes: least + underWay, shortage };
}

/** Remembers what a peer has said of the way to it. Gives the error back. */
export function noteShortage(carrier: Carrier | undefined, error: RpcError): RpcError {
  if (carrier !== undefined && RpcError.is(error, 'RELAY_LIMIT')) carrier.isSpent = true;
  return error;
}

/**
 * What makes room to peers for a request that is made again, and for so many bytes of its answer. Never rejects. `undefined`:
 * nobody can.
 */
export function roomMaker(
  runtime: RpcRuntime,
  { body, ...times }: RoomTimes & { readonly body: Uint8Array | undefined },
): ((peerId: string, bytes: number) => Promise<boolean>) | undefined {
  const { relayBudget, carriers } = runtime;
  if (relayBudget?.makeRoom === undefined) return undefined;
  const requestBytes = (body?.length ?? 0) + maxHeadBytes;
  return (peerId, answer) => {
    const carrier = carriers.find(peerId);
    // The same way would be refused once more, however much it seems to carry.
    const known = carrier?.isSpent === true ? relayBudget.bytesLeft(peerId, carrier.connectionId) : undefined;
    const bytes = Math.max(requestBytes + answer, known === undefined ? 0 : known + answerBytes);
    return makeRoom(runtime, { peerId, bytes, mostMs: roomMs }, times);
  };
}

async function makeRoom(
  { relayBudget, clock, network }: RpcRuntime,
  { peerId, bytes, mostMs }: { readonly peerId: string; readonly bytes: number; readonly mostMs: number },
  { leftMs, signal }: RoomTimes,
): Promise<boolean> {
  if (relayBudget?.makeRoom === undefined || signal.aborted) return false;
  const controller = new AbortController();
  const stop = (): void => controller.abort(new Error('nobody waits for room any more'));
  const timer = clock.setTimeout(stop, Math.min(mostMs, leftMs() * roomShare));
  signal.addEventListener('abort', stop, { once: true });
  try {
    // A budget that does not listen keeps nobody waiting.
    const making = relayBudget.makeRoom(peerId, bytes, { signal: controller.signal });
    return await orAbort(making, controller.signal);
  } catch (error) {
    if (!controller.signal.aborted) network.log('no room could be made', error, { peerId });
    return false;
  } finally {
    clock.clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

import type { NodeState } from '@lloom/behaviour';
import type { LiveActor } from '@lloom/inspector';
import type { ViewRequest } from './types.ts';

/** Beyond these, those that are over and began first are left out, then others that began first. */
const maxRequests = 200;

/** Which machines carry requests, and whose. */
const directions: Readonly<Record<string, ViewRequest['direction']>> = {
  retry: 'out',
  request: 'out',
  inbound: 'in',
  execution: 'in',
};

/** In this order the machines of a request are told, whatever becomes of them: who asks or is asked before what carries it. */
const order = Object.keys(directions);
const rankOf = ({ machine }: LiveActor): number => order.indexOf(machine ?? '');

/** What requests are told by. */
export interface RequestSources {
  readonly pending: NodeState['rpc']['pending'];
  readonly actors: Iterable<LiveActor>;
  /** When the time of actors began, in ms since 1970. */
  readonly epoch: number;
}

/** Requests that are under way, and those that ended lately. */
export interface Requests {
  /** Those under way first, and of each the youngest first. */
  readonly shown: readonly ViewRequest[];
  readonly leftOut: number;
}

interface Found {
  readonly requestId: string;
  readonly direction: ViewRequest['direction'];
  readonly actors: LiveActor[];
}

/** Joins what the node says of its own requests with what the machines of all of them do. */
export function requestsOf({ pending, actors, epoch }: RequestSources): Requests {
  const found = new Map<string, Found>();
  const at = (direction: ViewRequest['direction'], requestId: string): Found => {
    const key = `${direction} ${requestId}`;
    const known = found.get(key) ?? { requestId, direction, actors: [] };
    found.set(key, known);
    return known;
  };
  const waiting = new Map(pending.map((request) => [request.requestId as string, request]));
  for (const requestId of waiting.keys()) at('out', requestId);
  for (const actor of actors) {
    const direction = directions[actor.machine ?? ''];
    // Without labels, the id says it, and maybe more behind it.
    const [id = ''] = actor.id.split(' ', 1);
    if (direction !== undefined) at(direction, actor.labels?.['request'] ?? id).actors.push(actor);
  }
  const all = Array.from(found.values(), (one) => {
    const known = one.direction === 'out' ? waiting.get(one.requestId) : undefined;
    const isUnderWay = known !== undefined || one.actors.some(({ status }) => status === 'active');
    return { isUnderWay, request: requestOf(one, known, epoch) };
  });
  const youngestFirst = (a: (typeof all)[number], b: (typeof all)[number]): number =>
    Number(b.isUnderWay) - Number(a.isUnderWay) || (b.request.startedAt ?? 0) - (a.request.startedAt ?? 0);
  const sorted = all.toSorted(youngestFirst).map(({ request }) => request);
  return { shown: sorted.slice(0, maxRequests), leftOut: Math.max(0, sorted.length - maxRequests) };
}

function requestOf(
  { requestId, direction, actors }: Found,
  known: NodeState['rpc']['pending'][number] | undefined,
  epoch: number,
): ViewRequest {
  const said = (label: string): string | undefined =>
    actors.map(({ labels }) => labels?.[label]).find((value) => value !== undefined);
  const starts = actors.map(({ startedMs }) => Math.round(epoch + startedMs));
  const attempts = actors.filter(({ machine }) => machine === 'request').length;
  const method = known?.method ?? said('method');
  const startedAt = known?.startedAt ?? (starts.length > 0 ? Math.min(...starts) : undefined);
  const attempt = known?.attempt ?? (attempts > 0 ? attempts : undefined);
  return {
    requestId,
    direction,
    peerId: known?.peerId ?? said('peer') ?? '',
    ...(method !== undefined && { method }),
    ...(startedAt !== undefined && { startedAt }),
    ...(known !== undefined && { deadlineAt: known.deadlineAt }),
    ...(attempt !== undefined && { attempt }),
    actors: actors.toSorted((a, b) => rankOf(a) - rankOf(b) || a.key - b.key).map(({ key }) => key),
  };
}

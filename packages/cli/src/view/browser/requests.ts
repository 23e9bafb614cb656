import type { LiveActor } from '@lloom/inspector';
import type { ViewRequest } from '../types.ts';
import type { Child, Model, Piece, Tools } from './types.ts';

/** The requests under way and those that ended a moment ago, the latest first. */
export function drawRequests(tools: Tools, model: Model): readonly Child[] {
  const { h } = tools;
  const now = model.state.node.at;

  const actorsOf = ({ actors }: ViewRequest): LiveActor[] =>
    actors.flatMap((key) => model.actors.get(key) ?? []);
  /** A request of which nothing is followed is under way as long as it is told. */
  const isActive = (request: ViewRequest): boolean => {
    const actors = actorsOf(request);
    return actors.length === 0 || actors.some(({ status }) => status === 'active');
  };
  const ageMs = (request: ViewRequest): number | undefined => {
    const actors = actorsOf(request);
    const ends = actors.map(({ endedMs }) => endedMs ?? model.nowMs);
    if (actors.length > 0) return Math.max(...ends) - Math.min(...actors.map(({ startedMs }) => startedMs));
    return request.startedAt === undefined ? undefined : now - request.startedAt;
  };

  const age = (request: ViewRequest): Piece => {
    const ms = ageMs(request) ?? 0;
    const { startedAt, deadlineAt } = request;
    const allowedMs =
      startedAt === undefined || deadlineAt === undefined ? undefined : deadlineAt - startedAt;
    const isWaiting = allowedMs !== undefined && isActive(request);
    const said = isWaiting ? `${tools.duration(ms)} of ${tools.duration(allowedMs)}` : tools.duration(ms);
    return h(
      'span',
      { class: 'age' },
      h('span', { class: 'figure' }, said),
      isWaiting &&
        h('progress', {
          'aria-label': 'Time used of its deadline',
          max: Math.max(1, Math.round(allowedMs)),
          value: Math.round(Math.min(ms, allowedMs)),
        }),
    );
  };

  const row = (request: ViewRequest): Piece => {
    const { requestId, direction, peerId, method, attempt } = request;
    const actors = actorsOf(request);
    return h(
      'li',
      { key: `${direction} ${requestId}`, class: isActive(request) ? 'active' : 'ended' },
      h(
        'span',
        { class: 'head' },
        h('span', { class: `way ${direction}` }, direction === 'out' ? 'to' : 'from'),
        ' ',
        tools.peerLink(peerId),
        ' ',
        tools.opener(
          { kind: 'request', id: requestId },
          `Request ${requestId}`,
          h('b', {}, tools.cut(method ?? (direction === 'in' ? 'incoming' : 'request'), 40)),
        ),
        attempt !== undefined && attempt > 1 && h('span', { class: 'pill warn' }, `attempt ${attempt}`),
      ),
      age(request),
      h(
        'span',
        { class: 'states' },
        ...actors
          .slice(0, 4)
          .map((actor) =>
            h(
              'span',
              { key: `${actor.key}`, class: 'machine' },
              h('span', { class: 'soft' }, tools.cut(actor.machine ?? actor.id, 24)),
              ' ',
              tools.standing(actor),
            ),
          ),
      ),
    );
  };

  const { requests, requestsLeftOut } = model.state;
  const order = [...requests].toSorted((a, b) => {
    const active = Number(isActive(b)) - Number(isActive(a));
    return active || (b.startedAt ?? 0) - (a.startedAt ?? 0) || (a.requestId < b.requestId ? -1 : 1);
  });
  const shown = order.slice(0, model.choice.shown.requests);
  const active = requests.filter(isActive).length;
  return [
    h(
      'p',
      { class: 'soft said', key: 'count' },
      `${tools.count(active)} under way, ${tools.count(requests.length - active)} ended lately`,
      requestsLeftOut > 0 && `, ${tools.count(requestsLeftOut)} more are not told`,
    ),
    shown.length === 0
      ? tools.nothing('Nothing is asked or answered just now.')
      : h('ul', { class: 'requests', key: 'list' }, ...shown.map(row)),
    tools.more(order.length - shown.length, 'request', () =>
      tools.choose((choice) => ({ shown: { ...choice.shown, requests: choice.shown.requests + 50 } })),
    ),
  ];
}

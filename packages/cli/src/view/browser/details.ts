import type { LiveActor, LiveStep } from '@lloom/inspector';
import type { Charts, Light } from './charts.ts';
import type { Child, Model, PeerView, Piece, Target, Tools } from './types.ts';

/** What is shown beside the page: its heading, and what is below. */
export interface Details {
  readonly title: string;
  readonly content: readonly Child[];
}

/** Tells all that is known of one peer, request, machine or actor. */
export function drawDetails(tools: Tools & { readonly charts: Charts }, model: Model): Details | undefined {
  const { h, charts } = tools;
  const { state, actors, choice } = model;
  const maxRows = 20;
  const maxActors = 50;
  const maxCharts = 8;
  const recentMs = 500;

  const isIgnored = ({ transitions }: LiveStep): boolean => transitions.length === 0;
  const countOf = (steps: readonly LiveStep[]): number => steps.reduce((sum, { times }) => sum + times, 0);

  /** `number` counts from the actor's start. */
  const stepPiece = (step: LiveStep, number: number): Piece =>
    h(
      'li',
      { key: `${number}`, class: isIgnored(step) && 'soft' },
      h('span', { class: 'figure soft' }, `${tools.duration(Math.max(0, model.nowMs - step.atMs))} ago`),
      ' ',
      h('b', {}, tools.cut(step.event, 80)),
      step.times > 1 && ` ×${tools.count(step.times)}`,
      isIgnored(step) && ' ignored',
      step.refused.length > 0 &&
        h('span', { class: 'refused' }, ` not taken: ${tools.cut(step.refused.join(', '), 120)}`),
    );

  /** The last one first. */
  const stepPieces = ({ steps, lastSteps }: LiveActor): Piece[] =>
    lastSteps.map((step, index) => stepPiece(step, steps - countOf(lastSteps.slice(index)))).toReversed();

  /** The arrows of the last step are lit as just taken, those of the steps before as taken. */
  const lightOf = (actor: LiveActor): Light => {
    const last = actor.lastSteps.findLast(({ transitions }) => transitions.length > 0);
    return {
      states: new Map(tools.innermost(actor.states).map((id) => [id, 0])),
      hits: new Set(last?.transitions),
      taken: model.taken.get(actor.key) ?? new Set(),
    };
  };

  const sizeSwitch = (): Piece =>
    h(
      'button',
      {
        type: 'button',
        class: 'quiet',
        'aria-pressed': String(choice.isFullSize),
        on: { click: () => tools.choose(({ isFullSize }) => ({ isFullSize: !isFullSize })) },
      },
      'Full size',
    );

  const actorPiece = (actor: LiveActor): Piece => {
    const { key, machine, id, status, startedMs, endedMs, steps, lastSteps } = actor;
    const lasted = tools.duration((endedMs ?? model.nowMs) - startedMs);
    const told = countOf(lastSteps);
    return h(
      'section',
      { key: `actor ${key}`, class: 'actor', 'aria-label': `Machine ${machine ?? id}` },
      h(
        'div',
        { class: 'head' },
        h('h3', {}, tools.cut(machine ?? id, 60)),
        tools.standing(actor),
        h(
          'span',
          { class: 'soft' },
          `${status === 'active' ? 'for' : 'after'} ${lasted}, ${tools.counted(steps, 'step')}`,
        ),
        machine !== undefined && sizeSwitch(),
      ),
      machine !== undefined && charts.draw(machine, lightOf(actor), choice.isFullSize),
      lastSteps.length > 0 &&
        h(
          'details',
          { open: true },
          h('summary', {}, steps > told ? `The last ${tools.count(told)} steps` : 'Steps'),
          h('ol', { class: 'steps' }, ...stepPieces(actor)),
        ),
    );
  };

  const rest = (count: number, most: number): Child =>
    count > most && h('li', { key: 'rest', class: 'soft' }, `${tools.count(count - most)} more not shown`);

  const scoreText = (value: number | undefined): Child => value !== undefined && tools.figure(value);

  const connectionPiece = (connection: PeerView['connections'][number], index: number): Piece => {
    const { direction, transport, relayed, openedAt, rttMs, remoteAddress, limits } = connection;
    const said = [
      direction === 'outbound' ? 'dialled by this node' : 'it dialled this node',
      transport,
      ...(relayed ? ['through a relay'] : []),
      `open for ${tools.between(openedAt, state.node.at)}`,
      ...(rttMs === undefined ? [] : [`round trip ${tools.duration(rttMs)}`]),
      ...(limits?.bytes === undefined ? [] : [`at most ${tools.bytes(limits.bytes)}`]),
    ];
    return h(
      'li',
      { key: `${index}` },
      h('code', {}, tools.cut(remoteAddress, 240)),
      h('p', { class: 'soft' }, said.join(', ')),
    );
  };

  const peerDetails = (peerId: string): Details => {
    const title = `Peer ${tools.short(peerId)}`;
    const id = tools.facts([
      'Peer id',
      h('span', {}, h('code', {}, peerId), ' ', tools.copyButton(peerId, 'the peer id')),
    ]);
    const peer = model.peers.get(peerId);
    if (peer === undefined)
      return { title, content: [id, tools.nothing('Nothing is known of this peer just now.')] };
    const ban = state.node.bans.find((each) => each.peerId === peerId);
    const own = state.requests.filter((request) => request.peerId === peerId);
    const score = state.node.gossip.scores.find((each) => each.peerId === peerId);
    return {
      title,
      content: [
        h(
          'p',
          { class: 'head', key: 'standing' },
          tools.pill(peer.isConnected ? 'connected' : 'not connected', peer.isConnected ? 'good' : 'plain'),
          peer.isBanned && tools.pill('banned', 'bad'),
          peer.isMaintained && tools.pill('maintained', 'info'),
          peer.relay !== undefined && tools.pill('relayed', 'warn'),
        ),
        id,
        tools.facts(
          ['Roles', peer.roles.join(', ')],
          ['Reputation', `${tools.figure(peer.reputation)} of 100`],
          ['Gossip score', scoreText(score?.score)],
          ['… by the application', scoreText(score?.application)],
          ['… by its behaviour', scoreText(score?.behaviour)],
          ['… by its address', scoreText(score?.colocation)],
          ['Round trip', peer.rttMs !== undefined && tools.duration(peer.rttMs)],
          [
            'Relay',
            peer.relay !== undefined && (peer.relay === 'unknown' ? 'not named' : tools.peerLink(peer.relay)),
          ],
          [
            'Ban',
            ban !== undefined &&
              `for ${tools.between(state.node.at, ban.until)} more, by ${ban.by}${ban.reason === undefined ? '' : `: ${tools.cut(ban.reason, 256)}`}`,
          ],
          ['In DHT table', state.node.kad.routingTable.includes(peerId) && 'yes'],
        ),
        ...peer.services.map(({ kind, models }, index) =>
          h(
            'div',
            { key: `service ${index}` },
            h('h3', {}, `Offers: ${kind}`),
            models.length > 0 &&
              h(
                'ul',
                { class: 'chips' },
                ...models.map((name) => h('li', { class: 'pill' }, tools.cut(name, 60))),
              ),
          ),
        ),
        h('h3', { key: 'connections' }, 'Connections'),
        peer.connections.length === 0
          ? tools.nothing('None.')
          : h(
              'ul',
              { class: 'plain', key: 'ways' },
              ...peer.connections.slice(0, maxRows).map(connectionPiece),
              rest(peer.connections.length, maxRows),
            ),
        h('h3', { key: 'meshes' }, 'In the mesh of'),
        peer.meshes.length === 0
          ? tools.nothing('No topic.')
          : h(
              'ul',
              { class: 'plain', key: 'topics' },
              ...peer.meshes.map((name) => h('li', {}, tools.cut(name, 100))),
            ),
        own.length > 0 && h('h3', { key: 'requests' }, 'Requests'),
        own.length > 0 &&
          h(
            'ul',
            { class: 'plain', key: 'asked' },
            ...own
              .slice(0, maxRows)
              .map(({ requestId, direction, method }) =>
                h(
                  'li',
                  { key: requestId },
                  direction === 'out' ? 'to it: ' : 'from it: ',
                  tools.opener(
                    { kind: 'request', id: requestId },
                    `Request ${requestId}`,
                    tools.cut(method ?? (direction === 'in' ? 'incoming' : 'request'), 40),
                  ),
                ),
              ),
            rest(own.length, maxRows),
          ),
      ],
    };
  };

  /** Then those that began last. */
  const livingFirst = (a: LiveActor, b: LiveActor): number =>
    Number(b.status === 'active') - Number(a.status === 'active') ||
    b.startedMs - a.startedMs ||
    b.key - a.key;

  const requestDetails = (requestId: string): Details => {
    const request = state.requests.find((each) => each.requestId === requestId);
    const keys = new Set(request?.actors);
    const own = [...actors.values()]
      .filter(({ key, id }) => keys.has(key) || id === requestId)
      .toSorted(livingFirst);
    const title = `Request ${tools.cut(request?.method ?? tools.short(requestId), 40)}`;
    return {
      title,
      content: [
        tools.facts(
          ['Id', h('span', {}, h('code', {}, requestId), ' ', tools.copyButton(requestId, 'the request id'))],
          [
            'Peer',
            request !== undefined &&
              h('span', {}, request.direction === 'out' ? 'asked ' : 'asks ', tools.peerLink(request.peerId)),
          ],
          ['Attempt', request?.attempt],
          [
            'Deadline',
            request?.deadlineAt !== undefined &&
              (request.deadlineAt > state.node.at
                ? `in ${tools.between(state.node.at, request.deadlineAt)}`
                : `${tools.between(state.node.at, request.deadlineAt)} ago`),
          ],
        ),
        ...own.slice(0, maxCharts).map(actorPiece),
        h('ul', { key: 'more' }, rest(own.length, maxCharts)),
        own.length === 0 &&
          tools.nothing(
            request === undefined
              ? 'It has ended, and is not kept any longer.'
              : 'Its machines are not followed: there are too many.',
          ),
      ],
    };
  };

  const machineDetails = (machine: string): Details => {
    const found = state.machines.find((each) => each.machine === machine);
    const own = [...actors.values()].filter((actor) => actor.machine === machine).toSorted(livingFirst);
    const hits = own.flatMap(({ lastSteps }) =>
      lastSteps.filter(({ atMs }) => model.nowMs - atMs < recentMs).flatMap(({ transitions }) => transitions),
    );
    const taken = Object.entries(found?.taken ?? {}).filter(([, count]) => count > 0);
    // All of them are in the machine itself.
    const inStates = Object.entries(found?.inStates ?? {}).filter(
      ([id, count]) => id !== machine && count > 0,
    );
    return {
      title: `Machine ${tools.cut(machine, 60)}`,
      content: [
        h(
          'div',
          { class: 'head', key: 'head' },
          found !== undefined &&
            h(
              'span',
              { class: 'soft' },
              `${tools.counted(found.living, 'living actor')} of ${tools.count(found.started)} started`,
            ),
          sizeSwitch(),
        ),
        charts.draw(
          machine,
          {
            states: new Map(inStates),
            hits: new Set(hits),
            taken: new Set(taken.map(([key]) => key)),
          },
          choice.isFullSize,
        ),
        h('h3', { key: 'actors' }, 'Actors'),
        own.length === 0
          ? tools.nothing('None is followed just now.')
          : h(
              'ul',
              { class: 'plain actors', key: 'list' },
              ...own
                .slice(0, maxActors)
                .map((actor) =>
                  h(
                    'li',
                    { key: `${actor.key}` },
                    tools.opener(
                      { kind: 'actor', id: actor.key },
                      `Actor ${actor.id}`,
                      tools.cut(actor.id, 48),
                    ),
                    ' ',
                    tools.standing(actor),
                    ' ',
                    h('span', { class: 'soft' }, tools.counted(actor.steps, 'step')),
                  ),
                ),
            ),
        h('ul', { key: 'more' }, rest(own.length, maxActors)),
      ],
    };
  };

  const actorDetails = (key: number): Details => {
    const actor = actors.get(key);
    if (actor === undefined) {
      return { title: 'Actor', content: [tools.nothing('It has ended, and is not kept any longer.')] };
    }
    const parent = actor.parent === undefined ? undefined : actors.get(actor.parent);
    const peer = model.peers.get(actor.id);
    return {
      title: `Actor ${tools.cut(tools.short(actor.id), 60)}`,
      content: [
        tools.facts(
          ['Id', h('code', {}, tools.cut(actor.id, 120))],
          ['Peer', peer !== undefined && tools.peerLink(peer.peerId)],
          [
            'Started by',
            parent !== undefined &&
              tools.opener({ kind: 'actor', id: parent.key }, `Actor ${parent.id}`, tools.cut(parent.id, 60)),
          ],
          ...Object.entries(actor.labels ?? {}).map(([name, text]) => [name, tools.cut(text, 120)] as const),
        ),
        actorPiece(actor),
      ],
    };
  };

  const detailsOf = (target: Target): Details => {
    if (target.kind === 'actor') return actorDetails(target.id);
    if (target.kind === 'peer') return peerDetails(target.id);
    return target.kind === 'request' ? requestDetails(target.id) : machineDetails(target.id);
  };

  const target = choice.open.at(-1);
  return target && detailsOf(target);
}

import type { Child, Model, PeerView, Piece, Tools } from './types.ts';

/** Draws this node and the peers around it. Peers keep their places as long as they are there. */
export interface Topology {
  readonly draw: (model: Model) => readonly Child[];
}

/**
 * The picture of who is connected: rings around this node, a place for each peer, which it keeps until it has gone.
 * `redraw` is called when there is more or less room, and when those who left have faded.
 */
export function createTopology(tools: Tools, redraw: () => void): Topology {
  const { h } = tools;
  /** So many places has each ring; the k-th has 8 more than the one within. */
  const ringPlaces = 8;
  const maxPeers = 200;
  const fadeMs = 5_000;
  /** So much room takes a peer with its name, in square pixels. */
  const labelRoom = 15_000;
  interface Placed {
    readonly peer: PeerView;
    readonly place: number;
    goneAt: number | undefined;
  }
  const placed = new Map<string, Placed>();
  let size = { width: 720, height: 460 };
  let active: string | undefined;

  const ringOf = (place: number): { ring: number; index: number; places: number } => {
    let [ring, index] = [0, place];
    while (index >= ringPlaces * (ring + 1)) [index, ring] = [index - ringPlaces * (ring + 1), ring + 1];
    return { ring, index, places: ringPlaces * (ring + 1) };
  };

  /** Neighbours in time are far from each other on the ring: few peers are spread, and none is moved for a new one. */
  const turnOf = (place: number): number => {
    const { index, places } = ringOf(place);
    const eighth = [0, 4, 2, 6, 1, 5, 3, 7][index % 8] ?? 0;
    const perEighth = places / 8;
    // Straight down is left to the name of this node.
    return (eighth * perEighth + Math.floor(index / 8) + 0.5) / places;
  };

  /** How far out a ring is. */
  const shareOf = (ring: number, rings: number): number => {
    if (rings === 1) return 0.94;
    const inner = Math.max(0.36, 1.1 / rings);
    return inner + ((1 - inner) * ring) / (rings - 1);
  };

  const pointOf = (place: number, rings: number): { x: number; y: number } => {
    const { ring } = ringOf(place);
    const share = shareOf(ring, rings);
    const angle = turnOf(place) * 2 * Math.PI;
    return {
      x: Math.round(size.width / 2 + Math.cos(angle) * (size.width / 2 - 62) * share),
      y: Math.round(size.height / 2 + Math.sin(angle) * (size.height / 2 - 52) * share),
    };
  };

  /** @returns how many connected peers have no place */
  const settle = (model: Model): number => {
    const connected = [...model.peers.values()].filter(({ isConnected }) => isConnected);
    const ids = new Set(connected.map(({ peerId }) => peerId));
    const now = performance.now();
    for (const [id, old] of placed) {
      if (ids.has(id)) continue;
      if (old.goneAt === undefined) {
        old.goneAt = now;
        setTimeout(redraw, fadeMs + 20);
      } else if (now - old.goneAt >= fadeMs) placed.delete(id);
    }
    const taken = new Set([...placed.values()].map(({ place }) => place));
    let [place, leftOut] = [0, 0];
    for (const peer of connected) {
      const old = placed.get(peer.peerId);
      if (old === undefined) while (taken.has(place)) place += 1;
      if (old === undefined && place >= maxPeers) leftOut += 1;
      else {
        placed.set(peer.peerId, { peer, place: old?.place ?? place, goneAt: undefined });
        taken.add(old?.place ?? place);
      }
    }
    return leftOut;
  };

  const roleOf = ({ roles }: PeerView): string =>
    ['executor', 'validator', 'relay'].find((role) => roles.some((own) => own === role)) ?? 'peer';

  const labelOf = ({ peer, goneAt }: Placed, topic: string | undefined): string => {
    const { peerId, roles, direction, relay, meshes } = peer;
    const dialled = { inbound: 'it dialled this node', outbound: 'dialled by this node' };
    return [
      `Peer ${tools.short(peerId)}`,
      roles.length === 0 ? 'no role' : roles.join(', '),
      ...(goneAt === undefined ? [] : ['gone']),
      ...(direction === undefined ? [] : [dialled[direction]]),
      ...(relay === undefined ? [] : [`through the relay ${tools.short(relay)}`]),
      ...(topic !== undefined && meshes.includes(topic) ? ['in the mesh'] : []),
    ].join(', ');
  };

  /** Towards whom the connection was opened, in the middle of its line. */
  const chevron = (from: { x: number; y: number }, to: { x: number; y: number }): Piece => {
    const [x, y] = [from.x + (to.x - from.x) * 0.58, from.y + (to.y - from.y) * 0.58];
    const degrees = Math.round((Math.atan2(to.y - from.y, to.x - from.x) * 180) / Math.PI);
    return h('path', {
      class: 'chevron',
      d: 'M-3-4L3 0L-3 4',
      transform: `translate(${x.toFixed(1)} ${y.toFixed(1)}) rotate(${degrees})`,
    });
  };

  const move = (event: Event, order: readonly string[]): void => {
    if (!(event instanceof KeyboardEvent)) return;
    const at = Math.max(0, order.indexOf(active ?? ''));
    const steps: Readonly<Record<string, number>> = {
      ArrowRight: at + 1,
      ArrowDown: at + 1,
      ArrowLeft: at - 1,
      ArrowUp: at - 1,
      Home: 0,
      End: order.length - 1,
    };
    const wanted = Object.hasOwn(steps, event.key) ? steps[event.key] : undefined;
    if (wanted !== undefined) {
      event.preventDefault();
      active = order.at(wanted % order.length);
      redraw();
      const { currentTarget } = event;
      requestAnimationFrame(() => {
        const next = currentTarget instanceof Element && currentTarget.querySelector('[tabindex="0"]');
        if (next instanceof SVGElement) next.focus();
      });
    } else if ((event.key === 'Enter' || event.key === ' ') && active !== undefined) {
      event.preventDefault();
      look(active);
    }
  };

  const look = (id: string): void => {
    active = id;
    tools.choose(({ open }) => ({ open: [...open.slice(-7), { kind: 'peer', id }] }));
  };

  const watched = new WeakSet<Element>();
  const watch = (element: Element): void => {
    if (watched.has(element)) return;
    watched.add(element);
    new ResizeObserver(([entry]) => {
      const { width, height } = entry?.contentRect ?? { width: 0, height: 0 };
      if (width < 50 || height < 50 || (width === size.width && height === size.height)) return;
      size = { width, height };
      redraw();
    }).observe(element);
  };

  const legend = (topics: readonly string[], meshed: number): Piece =>
    h(
      'div',
      { class: 'bar', key: 'bar' },
      topics.length > 0 &&
        h(
          'label',
          {},
          'Mesh of ',
          h(
            'select',
            {
              on: {
                change: ({ currentTarget }) => {
                  if (!(currentTarget instanceof HTMLSelectElement)) return;
                  const topic = currentTarget.value;
                  tools.choose(() => ({ topic }));
                },
              },
            },
            ...topics.map((name) => h('option', { key: name, value: name }, tools.cut(name, 48))),
          ),
          h('span', { class: 'soft' }, ` ${tools.counted(meshed, 'member')}`),
        ),
      h(
        'ul',
        { class: 'legend' },
        ...['executor', 'validator', 'relay', 'peer'].map((role) =>
          h(
            'li',
            { key: role },
            h('svg', { viewBox: '-9 -9 18 18', 'aria-hidden': 'true' }, tools.mark(role, 7)),
            role === 'peer' ? 'no role known' : role,
          ),
        ),
        h(
          'li',
          {},
          h(
            'svg',
            { class: 'wide', viewBox: '0 0 30 18', 'aria-hidden': 'true' },
            h('path', { class: 'meshed', d: 'M1 9h28' }),
          ),
          'in the mesh',
        ),
        h(
          'li',
          {},
          h(
            'svg',
            { class: 'wide', viewBox: '0 0 30 18', 'aria-hidden': 'true' },
            h('path', { class: 'relayed', d: 'M1 9h28' }),
          ),
          'through a relay',
        ),
      ),
    );

  const draw: Topology['draw'] = (model) => {
    const leftOut = settle(model);
    const { state, choice } = model;
    const topics = state.node.gossip.topics;
    const topic = (topics.find(({ topic: name }) => name === choice.topic) ?? topics[0])?.topic;
    const all = [...placed.values()].toSorted((a, b) => turnOf(a.place) - turnOf(b.place));
    const rings = Math.max(0, ...all.map(({ place }) => ringOf(place).ring)) + 1;
    const order = all.map(({ peer }) => peer.peerId);
    if (active === undefined || !placed.has(active)) active = order[0];
    const middle = { x: size.width / 2, y: size.height / 2 };
    const maxLabels = Math.min(24, (size.width * size.height) / labelRoom);
    const radius = rings > 3 ? 6 : rings > 1 ? 8 : 11;
    /** Between the middle and the nearest peers, for what this node is called. */
    const roomPx = all.length === 0 ? middle.y : shareOf(0, rings) * (middle.y - 52) - radius - 6;
    const chosen = choice.open.findLast(({ kind }) => kind === 'peer')?.id;

    const classOf = ({ peer, goneAt }: Placed): string =>
      [
        roleOf(peer),
        ...(goneAt === undefined ? [] : ['gone']),
        ...(peer.relay === undefined ? [] : ['relayed']),
        ...(topic !== undefined && peer.meshes.includes(topic) ? ['meshed'] : []),
        ...(peer.peerId === chosen ? ['chosen'] : []),
      ].join(' ');

    const link = (each: Placed): Piece => {
      const end = pointOf(each.place, rings);
      const { direction, relay, peerId } = each.peer;
      const between = relay === undefined ? undefined : placed.get(relay);
      const via = between === undefined ? undefined : pointOf(between.place, rings);
      const start = via ?? middle;
      return h(
        'g',
        { key: `link ${peerId}`, class: `link ${classOf(each)}` },
        h('path', { class: 'way', d: `M${start.x} ${start.y}L${end.x} ${end.y}` }),
        direction === undefined
          ? undefined
          : direction === 'outbound'
            ? chevron(start, end)
            : chevron(end, start),
      );
    };

    const node = (each: Placed): Piece => {
      const { x, y } = pointOf(each.place, rings);
      const { peerId } = each.peer;
      const label = labelOf(each, topic);
      const role = roleOf(each.peer);
      const said = each.peer.roles.join(', ') || 'peer';
      const isLabelled = all.length <= maxLabels;
      // Away from the middle, where the lines are.
      const below = y < middle.y ? -radius - 24 : radius + 18;
      return h(
        'g',
        {
          key: `node ${peerId}`,
          class: `node ${classOf(each)}`,
          transform: `translate(${x} ${y})`,
          role: 'button',
          tabindex: peerId === active ? '0' : '-1',
          'aria-label': label,
          on: { click: () => look(peerId) },
        },
        h('title', {}, label),
        h('circle', { class: 'halo', r: radius + 6 }),
        tools.mark(role, radius),
        isLabelled && h('text', { class: 'name', y: below }, tools.short(peerId).slice(-7)),
        isLabelled && h('text', { class: 'what', y: below + 13 }, each.goneAt === undefined ? said : 'gone'),
        !isLabelled && each.goneAt !== undefined && h('text', { class: 'what', y: radius + 14 }, 'gone'),
      );
    };

    const own = state.node.node;
    const connected = all.filter(({ goneAt }) => goneAt === undefined).length;
    const meshed = topics.find(({ topic: name }) => name === topic)?.meshPeers ?? 0;
    return [
      legend(
        topics.slice(0, 256).map(({ topic: name }) => name),
        meshed,
      ),
      h(
        'div',
        { class: 'picture', key: 'picture', on: { keydown: (event) => move(event, order) } },
        h(
          'svg',
          {
            role: 'group',
            class: all.length > maxLabels ? 'many' : '',
            'aria-label': `This node and ${tools.counted(connected, 'connected peer')}: arrow keys go from one to the next, Enter opens it`,
            viewBox: `0 0 ${size.width} ${size.height}`,
          },
          ...Array.from({ length: rings }, (_, ring) => {
            const share = shareOf(ring, rings);
            const [rx, ry] = [(size.width / 2 - 62) * share, (size.height / 2 - 52) * share];
            return h('ellipse', { class: 'ring', key: `ring ${ring}`, cx: middle.x, cy: middle.y, rx, ry });
          }),
          ...all.map(link),
          h(
            'g',
            {
              key: 'this',
              class: `node this ${state.role}`,
              transform: `translate(${middle.x} ${middle.y})`,
            },
            h('circle', { class: 'halo', r: 24 }),
            tools.mark(state.role, 15),
            roomPx >= 44 && h('text', { class: 'name', y: 41 }, 'this node'),
            roomPx >= 57 && h('text', { class: 'what', y: 54 }, tools.short(own.peerId).slice(-7)),
          ),
          ...all.map(node),
        ),
        h('div', { class: 'measure', host: watch }),
      ),
      all.length === 0 && h('p', { class: 'nothing over', key: 'nobody' }, 'No peer is connected.'),
      leftOut > 0 &&
        h(
          'p',
          { class: 'more', key: 'left' },
          `${tools.counted(leftOut, 'further connected peer')} not drawn; the table has them.`,
        ),
    ];
  };

  return { draw };
}

import type { LiveActor } from '@lloom/inspector';
import type { ViewActors, ViewState } from '../types.ts';
import type { createBits } from './bits.ts';
import type { createCharts } from './charts.ts';
import type { connect, Phase } from './connection.ts';
import type { drawDetails } from './details.ts';
import type { createElements } from './elements.ts';
import type { gatherPeers } from './gather.ts';
import type { drawMachines } from './machines.ts';
import type { drawNetwork } from './network.ts';
import type { drawPeersTable } from './peersTable.ts';
import type { drawRequests } from './requests.ts';
import type { drawTiles } from './tiles.ts';
import type { createTopology } from './topology.ts';
import type { Child, Choice, Choose, Model, PeerView, Target } from './types.ts';
import type { createWords } from './words.ts';

/** What the page is made of. Each works by itself, so that its text can stand in the page. */
export interface Parts {
  readonly createElements: typeof createElements;
  readonly createWords: typeof createWords;
  readonly createBits: typeof createBits;
  readonly createTopology: typeof createTopology;
  readonly createCharts: typeof createCharts;
  readonly gatherPeers: typeof gatherPeers;
  readonly drawTiles: typeof drawTiles;
  readonly drawPeersTable: typeof drawPeersTable;
  readonly drawRequests: typeof drawRequests;
  readonly drawMachines: typeof drawMachines;
  readonly drawNetwork: typeof drawNetwork;
  readonly drawDetails: typeof drawDetails;
  readonly connect: typeof connect;
}

/** Where the page finds what the node says, from where it is itself. */
export interface Places {
  readonly events: string;
  readonly chart: string;
}

/** Brings the page to life: listens to the node, and draws what it says. */
export function startView(places: Places, parts: Parts): void {
  const elements = parts.createElements();
  const words = parts.createWords();

  const byId = (id: string): HTMLElement => {
    const found = document.getElementById(id);
    if (found === null) throw new Error(`The page has no "${id}"`);
    return found;
  };
  const drawer = byId('drawer') as HTMLDialogElement;
  const filter = byId('filter') as HTMLInputElement;
  const connectedOnly = byId('connected-only') as HTMLInputElement;
  const query = location.search;
  const root = document.documentElement;

  let state: ViewState | undefined;
  let peers: ReadonlyMap<string, PeerView> = new Map();
  /** When each peer was last told to be connected, for as long as that is lately. */
  const connectedAt = new Map<string, number>();
  const latelyMs = 30_000;
  const actors = new Map<number, LiveActor>();
  const taken = new Map<number, Set<string>>();
  let clock = { nowMs: 0, at: 0, untold: 0 };
  let phase: Phase = 'connecting';
  let choice: Choice = {
    filter: '',
    isConnectedOnly: true,
    sort: { column: 'peer', isDown: false },
    shown: { peers: 50, requests: 20, machines: 12 },
    open: [],
    isFullSize: false,
  };

  /** What is to be drawn with the next frame: machines move more often than the rest, and little shows them. */
  let due: 'nothing' | 'machines' | 'all' = 'nothing';
  const draw = (what: 'machines' | 'all'): void => {
    const isAsked = due !== 'nothing';
    if (due !== 'all') due = what;
    if (isAsked) return;
    requestAnimationFrame(() => {
      const isAll = due === 'all';
      due = 'nothing';
      if (state !== undefined) drawNow(state, isAll);
    });
  };
  const redraw = (): void => draw('all');
  const choose: Choose = (change) => {
    choice = { ...choice, ...change(choice) };
    redraw();
  };

  const tools = { ...elements, ...words, ...parts.createBits(elements, words, choose), choose };
  const charts = parts.createCharts(tools, (machine) => {
    const parameters = new URLSearchParams(query);
    parameters.set('machine', machine);
    return `${places.chart}?${parameters}`;
  });
  const topology = parts.createTopology(tools, redraw);

  const fill = (id: string, children: readonly Child[]): void => elements.draw(byId(id), children);

  const phrases: Readonly<Record<Phase, string>> = {
    connecting: 'Connecting',
    live: 'Live',
    reconnecting: 'No answer from the node: trying again',
    stopped: 'The node has stopped',
    refused: 'The node was started anew: open the address that it printed then',
    crowded: 'The node shows itself to too many pages: close others',
  };
  const say = (): void => {
    const text = phrases[phase];
    const place = byId('phase');
    // What is said again would be read out again.
    if (place.textContent !== text) place.textContent = text;
    root.dataset['phase'] = phase;
  };

  const drawHeader = ({ role, node: { node } }: ViewState): void => {
    const { h } = tools;
    document.title = `${role} …${node.peerId.slice(-6)} · Lloom`;
    fill('who', [
      h('svg', { class: 'own', viewBox: '-9 -9 18 18', 'aria-hidden': 'true' }, tools.mark(role, 7)),
      h('b', {}, words.cut(role, 24)),
      h('code', { title: node.peerId }, words.short(node.peerId)),
      tools.copyButton(node.peerId, 'the peer id of this node'),
    ]);
    const isWell = node.state === 'running';
    // How it is now, nobody knows.
    const isSilent = phase !== 'live';
    fill('standing', [
      tools.pill(node.state, isSilent ? 'plain' : isWell ? 'good' : node.state === 'failed' ? 'bad' : 'warn'),
      h('span', { class: 'soft' }, `up ${words.duration(node.uptimeMs)}`),
    ]);
  };

  let shown: Target | undefined;
  const drawDrawer = (model: Model): void => {
    const target = choice.open.at(-1);
    const isOther = target !== shown;
    shown = target;
    const details = parts.drawDetails({ ...tools, charts }, model);
    if (details === undefined) {
      if (drawer.open) drawer.close();
      return;
    }
    byId('drawer-title').textContent = details.title;
    byId('drawer-back').hidden = choice.open.length < 2;
    drawer.dataset['kind'] = target?.kind ?? '';
    fill('drawer-content', details.content);
    if (drawer.open && isOther) {
      // What was followed is not there any longer.
      drawer.scrollTop = 0;
      byId('drawer-close').focus();
    }
    if (drawer.open) return;
    // Beside the page where there is room: it can be used at the same time.
    if (matchMedia('(max-width: 760px)').matches) drawer.showModal();
    else drawer.show();
  };

  const drawNow = (told: ViewState, isAll: boolean): void => {
    byId('main').hidden = false;
    byId('waiting').hidden = true;
    const sinceMs = phase === 'live' ? Math.min(5_000, performance.now() - clock.at) : 0;
    const { untold } = clock;
    const nowMs = clock.nowMs + sinceMs;
    const model: Model = { state: told, peers, connectedAt, actors, taken, nowMs, untold, choice };
    fill('requests', parts.drawRequests(tools, model));
    drawDrawer(model);
    if (!isAll) return;
    drawHeader(told);
    fill('tiles', parts.drawTiles(tools, model));
    fill('topology', topology.draw(model));
    fill('peers', parts.drawPeersTable(tools, model));
    fill('machines', parts.drawMachines(tools, model));
    const network = parts.drawNetwork(tools, model);
    fill('gossip', network.gossip);
    fill('reachability', network.reachability);
    fill('discovery', network.discovery);
    fill('node', network.node);
  };

  const close = (): void => choose(() => ({ open: [] }));
  byId('drawer-close').addEventListener('click', close);
  byId('drawer-back').addEventListener('click', () => choose(({ open }) => ({ open: open.slice(0, -1) })));
  drawer.addEventListener('cancel', (event) => {
    event.preventDefault();
    close();
  });
  filter.addEventListener('input', () => choose(() => ({ filter: filter.value.slice(0, 200) })));
  // A browser may have kept it from before.
  connectedOnly.checked = true;
  connectedOnly.addEventListener('change', () => choose(() => ({ isConnectedOnly: connectedOnly.checked })));
  document.addEventListener('keydown', (event) => {
    const isField = event.target instanceof HTMLInputElement && event.target.type !== 'checkbox';
    const isTyping = isField || event.target instanceof HTMLSelectElement;
    if (event.key === 'Escape' && event.target === filter && filter.value !== '') {
      filter.value = '';
      choose(() => ({ filter: '' }));
    } else if (event.key === 'Escape' && choice.open.length > 0) close();
    else if (event.key === '/' && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      filter.focus();
    }
  });

  const theme = byId('theme');
  const prefersDark = matchMedia('(prefers-color-scheme: dark)');
  const isDark = (): boolean =>
    (root.dataset['theme'] ?? (prefersDark.matches ? 'dark' : 'light')) === 'dark';
  const nameTheme = (): void => {
    const other = isDark() ? 'Light' : 'Dark';
    theme.textContent = other;
    theme.setAttribute('aria-label', `${other} colours`);
  };
  theme.addEventListener('click', () => {
    root.dataset['theme'] = isDark() ? 'light' : 'dark';
    sessionStorage.setItem('theme', root.dataset['theme']);
    nameTheme();
  });
  prefersDark.addEventListener('change', nameTheme);
  const kept = sessionStorage.getItem('theme');
  if (kept === 'dark' || kept === 'light') root.dataset['theme'] = kept;
  nameTheme();

  parts.connect(`${places.events}${query}`, {
    onState: (told) => {
      state = told;
      peers = parts.gatherPeers(told);
      const { at } = told.node;
      for (const { peerId, isConnected } of peers.values()) if (isConnected) connectedAt.set(peerId, at);
      for (const [peerId, lastAt] of connectedAt) if (at - lastAt > latelyMs) connectedAt.delete(peerId);
      redraw();
    },
    onActors: (told: ViewActors) => {
      const gone = told.isWhole ? [...actors.keys()] : told.gone;
      for (const key of gone) [actors, taken].forEach((map) => map.delete(key));
      for (const actor of told.actors) {
        actors.set(actor.key, actor);
        // The node tells the last steps only; there are as many keys as the machine has transitions.
        const keys = taken.get(actor.key) ?? new Set();
        for (const { transitions } of actor.lastSteps) for (const key of transitions) keys.add(key);
        taken.set(actor.key, keys);
      }
      clock = { nowMs: told.nowMs, at: performance.now(), untold: told.untold };
      draw('machines');
    },
    onPhase: (now) => {
      phase = now;
      say();
      redraw();
    },
  });
}

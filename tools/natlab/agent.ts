// A whole node, in a process of its own within a laboratory.
import {
  Identity,
  LloomBehaviour,
  type Hex,
  type LloomEvents,
  type NatExplanation,
  type NatStatus,
  type NetworkConfig,
  type RelayClientConfig,
  type RelayedConnection,
  type RelayServerConfig,
} from '@lloom/behaviour';
import { answerQuestions } from '../bench/part.ts';
import { ask, serveTokens, type Ask, type Asked } from './tokens.ts';

/** A node that starts. */
export interface Plan {
  readonly config: NetworkConfig;
  /** Whose node it is. */
  readonly privateKey: Hex;
  /** Whether it relays for others, and how much. */
  readonly relays?: RelayServerConfig;
  /** The model that it offers. @default none */
  readonly offers?: string;
}

/** What is noted of a node, with when it was, in ms since it began to start. */
export interface Noted {
  readonly atMs: number;
  readonly type: keyof LloomEvents;
  /** What the event tells, as far as it is plain data. */
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Which events are waited for. */
export interface Wanted {
  readonly type: Noted['type'];
  /** What it must tell, among other things. */
  readonly detail?: Readonly<Record<string, unknown>>;
  /** How many notes are passed over. @default 0 - one that was told before counts */
  readonly after?: number;
  /** How long it is waited for. @default 30_000 */
  readonly ms?: number;
}

/** How a node can be reached. */
export interface Reach {
  readonly status: NatStatus;
  readonly relayAddresses: readonly string[];
  readonly explanation: NatExplanation;
  /** How many notes there are. */
  readonly notes: number;
  /** When it had joined, in ms since it began to start. */
  readonly joinedAtMs: number;
  /** Since when the status is what it is. */
  readonly statusAtMs: number;
  /** Since when it has a place at a relay, the first time; absent when it never had one. */
  readonly relayedAtMs?: number;
}

/** A connection to a peer. */
export interface Link {
  readonly peerId: string;
  readonly isDirect: boolean;
  readonly remoteAddress: string;
}

/** What a node can be asked. */
export interface Questions {
  /** Starts it, lets it join, and tells its peer id. */
  readonly start: { readonly asked: Plan; readonly told: string };
  readonly reach: { readonly asked: undefined; readonly told: Reach };
  /** Resolves when the node is public or private. */
  readonly status: { readonly asked: NatStatus['kind']; readonly told: Reach };
  /** Resolves when there is an address through a relay, of that relay when one is named. */
  readonly relayed: { readonly asked: string | null; readonly told: Reach };
  readonly event: { readonly asked: Wanted; readonly told: Noted };
  /** What was noted from that number on. */
  readonly notes: { readonly asked: number; readonly told: readonly Noted[] };
  readonly enableRelayClient: { readonly asked: RelayClientConfig; readonly told: void };
  readonly disableRelayClient: { readonly asked: undefined; readonly told: void };
  readonly enableRelayServer: { readonly asked: RelayServerConfig; readonly told: void };
  readonly disableRelayServer: { readonly asked: undefined; readonly told: void };
  readonly dialThroughRelay: {
    readonly asked: { readonly peerId: string; readonly relay: string };
    readonly told: RelayedConnection | null;
  };
  /** Connections to a peer, or to all. */
  readonly links: { readonly asked: string | null; readonly told: readonly Link[] };
  /** Waits until there is a connection to a peer without a relay. */
  readonly direct: { readonly asked: string; readonly told: readonly Link[] };
  /** Dials a peer; how long that took, in ms. */
  readonly dial: {
    readonly asked: { readonly peerId: string; readonly address: string };
    readonly told: number;
  };
  readonly disconnect: { readonly asked: string; readonly told: void };
  /** Who offers a model; looks until somebody does. */
  readonly find: { readonly asked: string; readonly told: string };
  /** The same, until it says that it is reached through a relay. */
  readonly findRelayed: { readonly asked: string; readonly told: string };
  readonly ask: { readonly asked: Ask; readonly told: Asked };
}

const watched = [
  'nat:changed',
  'relay:reserved',
  'relay:lost',
  'connection:upgraded',
  'connection:stays-relayed',
  'connection:established',
  'connection:closed',
  'service:advertised',
] as const satisfies readonly (keyof LloomEvents)[];

const patientMs = 30_000;
const findPauseMs = 100;

let identity: Identity;
let node: LloomBehaviour;
let startedAt = 0;
/** When the node was there; what it told before went unheard. */
let createdAtMs = 0;
let joinedAtMs = 0;
const notes: Noted[] = [];
const onNote = new Set<() => void>();

const elapsed = (): number => Math.round(performance.now() - startedAt);

function note(type: Noted['type'], detail: object): void {
  // Errors and the like do not pass between processes.
  const plain = JSON.parse(JSON.stringify(detail)) as Noted['detail'];
  notes.push({ atMs: elapsed(), type, detail: plain });
  for (const listener of onNote) listener();
}

/** Resolves with what a look gives that is taken again after each note. */
function until<T>(look: () => T | undefined, what: string, ms = patientMs): Promise<T> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      onNote.delete(onNoted);
      clearTimeout(timer);
      act();
    };
    const onNoted = (): void => {
      const found = look();
      if (found !== undefined) settle(() => resolve(found));
    };
    const timer = setTimeout(() => {
      const state = JSON.stringify({ notes, explanation: node.explainNat() }, undefined, 1);
      settle(() => reject(new Error(`no ${what} within ${ms} ms: ${state}`)));
    }, ms);
    onNote.add(onNoted);
    onNoted();
  });
}

async function start({ config, privateKey, relays, offers }: Plan): Promise<string> {
  startedAt = performance.now();
  identity = Identity.fromPrivateKey(privateKey);
  node = await LloomBehaviour.create(identity, config);
  createdAtMs = elapsed();
  for (const type of watched) node.addEventListener(type, ({ detail }) => note(type, detail));
  if (relays !== undefined) await node.enableRelayServer(relays);
  serveTokens(node);
  if ((config.bootstrapPeers ?? []).length > 0) await node.bootstrap();
  joinedAtMs = elapsed();
  if (offers !== undefined) await node.advertiseService({ kind: 'executor', models: [offers], capacity: 4 });
  return node.peerId;
}

function reach(): Reach {
  const relayAddresses = node.relayAddresses();
  const reserved = notes.find(({ type }) => type === 'relay:reserved');
  const relayedAtMs = reserved?.atMs ?? (relayAddresses.length > 0 ? createdAtMs : undefined);
  return {
    status: node.natStatus(),
    relayAddresses,
    explanation: node.explainNat(),
    notes: notes.length,
    joinedAtMs,
    statusAtMs: notes.findLast(({ type }) => type === 'nat:changed')?.atMs ?? createdAtMs,
    ...(relayedAtMs !== undefined && { relayedAtMs }),
  };
}

const fits = ({ type, detail, after = 0 }: Wanted, { type: got, detail: told }: Noted, i: number): boolean =>
  i >= after &&
  type === got &&
  Object.entries(detail ?? {}).every(([key, value]) => JSON.stringify(told[key]) === JSON.stringify(value));

function links(peerId: string | null): Link[] {
  return node.libp2p
    .getConnections()
    .filter(({ status }) => status === 'open')
    .map(({ remotePeer, remoteAddr, direct }) => ({
      peerId: remotePeer.toString(),
      isDirect: direct,
      remoteAddress: remoteAddr.toString(),
    }))
    .filter((link) => peerId === null || link.peerId === peerId);
}

/** An offer takes a moment until it is found. */
async function find(model: string, isUsable: (address: string) => boolean = () => true): Promise<string> {
  for (const end = performance.now() + patientMs; performance.now() < end;) {
    const [found] = await node.findModelProviders(model);
    if (found?.addresses.some(isUsable)) return found.peerId;
    await new Promise((resolve) => setTimeout(resolve, findPauseMs));
  }
  throw new Error(`nobody offers ${model}: ${JSON.stringify(links(null))}`);
}

type Answers = {
  readonly [Q in keyof Questions]: (
    asked: Questions[Q]['asked'],
  ) => Promise<Questions[Q]['told']> | Questions[Q]['told'];
};

const answers: Answers = {
  start,
  reach,
  status: (kind) => until(() => (node.natStatus().kind === kind ? reach() : undefined), `status ${kind}`),
  direct: (peerId) =>
    until(
      () => (links(peerId).some(({ isDirect }) => isDirect) ? links(peerId) : undefined),
      `direct connection to ${peerId}`,
    ),
  relayed: (relay) =>
    until(
      () => (node.relayAddresses().some((at) => at.includes(relay ?? '')) ? reach() : undefined),
      `address through ${relay ?? 'a relay'}`,
    ),
  event: (wanted) =>
    until(() => notes.find((each, i) => fits(wanted, each, i)), JSON.stringify(wanted), wanted.ms),
  notes: (from) => notes.slice(from),
  enableRelayClient: (config) => node.enableRelayClient(config),
  disableRelayClient: () => node.disableRelayClient(),
  enableRelayServer: (config) => node.enableRelayServer(config),
  disableRelayServer: () => node.disableRelayServer(),
  dialThroughRelay: async ({ peerId, relay }) => (await node.dialPeerThroughRelay(peerId, relay)) ?? null,
  links,
  dial: async ({ peerId, address }) => {
    const from = performance.now();
    await node.dialPeer(peerId, address);
    return performance.now() - from;
  },
  disconnect: (peerId) => node.disconnectPeer(peerId),
  find: (model) => find(model),
  findRelayed: (model) => find(model, (address) => address.includes('/p2p-circuit')),
  ask: (plan) => ask(node, identity, plan),
};

answerQuestions<Questions>(async (question, asked) => {
  const answer = answers[question] as (asked: unknown) => unknown;
  return answer(asked);
});

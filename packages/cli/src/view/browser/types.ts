import type { StateConnection, StatePeer } from '@lloom/behaviour';
import type { LiveActor } from '@lloom/inspector';
import type { ViewState } from '../types.ts';
import type { Bits } from './bits.ts';
import type { Elements } from './elements.ts';
import type { Words } from './words.ts';

/** What listens on an element, by the event's type. */
export type Listeners = Readonly<Record<string, (event: Event) => void>>;

/** Attributes of an element, and what else is said of it. */
export interface PieceSettings {
  /** Tells it from its neighbours, so that it stays the same element wherever it moves. */
  readonly key?: string;
  readonly on?: Listeners;
  /** Called after each drawing, with the element; its children are left alone. */
  readonly host?: (element: Element) => void;
  readonly [attribute: string]: unknown;
}

/** One element of the page, described: what is there already is changed to match it. */
export interface Piece {
  readonly tag: string;
  readonly settings: PieceSettings;
  readonly children: readonly Child[];
}

/** What an element may hold. Numbers and texts are written as they are, what is absent or `false` not at all. */
export type Child = Piece | string | number | false | undefined;

/** Everything that is told of one peer, in one place. */
export interface PeerView extends StatePeer {
  readonly connections: readonly StateConnection[];
  /** The relay that all its connections go through. */
  readonly relay: string | undefined;
  /** Who dialled its first connection. */
  readonly direction: 'inbound' | 'outbound' | undefined;
  /** The shortest round trip of its connections, in ms. */
  readonly rttMs: number | undefined;
  /** Its score in gossip. */
  readonly score: number | undefined;
  /** The topics whose mesh it is in. */
  readonly meshes: readonly string[];
}

/** What the reader looks at more closely. */
export type Target =
  | { readonly kind: 'peer' | 'request' | 'machine'; readonly id: string }
  | { readonly kind: 'actor'; readonly id: number };

/** How the table of peers can be sorted. */
export type PeerColumn = 'peer' | 'roles' | 'offers' | 'reputation' | 'score' | 'rtt' | 'connections';

/** What the reader has chosen. */
export interface Choice {
  /** The topic whose mesh is shown; the first one when absent. */
  readonly topic?: string;
  /** Only peers that have these words are listed. */
  readonly filter: string;
  /** Whether peers that are known and not connected are left out of the list, except those that went a moment ago. */
  readonly isConnectedOnly: boolean;
  readonly sort: { readonly column: PeerColumn; readonly isDown: boolean };
  /** How many peers, requests and machines are listed at most. */
  readonly shown: { readonly peers: number; readonly requests: number; readonly machines: number };
  /** What is open beside the page, the last one on top. */
  readonly open: readonly Target[];
  /** Whether charts are as large as they were drawn, or as wide as there is room. */
  readonly isFullSize: boolean;
}

/** All that is drawn. */
export interface Model {
  readonly state: ViewState;
  /** By peer id: those known and those connected. */
  readonly peers: ReadonlyMap<string, PeerView>;
  /** When those that are connected, or were a moment ago, were last told to be, in ms since 1970. */
  readonly connectedAt: ReadonlyMap<string, number>;
  readonly actors: ReadonlyMap<number, LiveActor>;
  /** Keys of the transitions that an actor was told to take since the page was opened, by the actor's key. */
  readonly taken: ReadonlyMap<number, ReadonlySet<string>>;
  /** By the clock of the live actors, in ms since their first report. */
  readonly nowMs: number;
  /** Actors that live and are not followed. */
  readonly untold: number;
  readonly choice: Choice;
}

/** Changes what the reader has chosen, and draws again. */
export type Choose = (change: (choice: Choice) => Partial<Choice>) => void;

/** What every part draws with. */
export type Tools = Elements & Words & Bits & { readonly choose: Choose };

import { expect } from 'vitest';

import { peersDefaults } from '../src/config.ts';
import { planConnections } from '../src/internal/planConnections.ts';
import type {
  ConnectionPlan,
  KnownPeer,
  PlannedConnection,
  PlannedPeer,
  PlanView,
} from '../src/internal/poolView.ts';
import type { ConnectionLimits, ConnectionPoolConfig } from '../src/types.ts';

/** The moment of every view. */
export const now = 10_000_000;

/** What a pool in tests keeps when a row says nothing else. */
export const pool: Required<ConnectionPoolConfig> = {
  minConnections: 0,
  maxConnections: 100,
  idleTimeoutMs: 300_000,
  connectionTtlMs: 3_600_000,
  roles: {},
};

export const limits: ConnectionLimits = peersDefaults;

/** A connection that has just been used, opened a minute ago. */
export const connection = (id: string, changes: Partial<PlannedConnection> = {}): PlannedConnection => ({
  id,
  direction: 'outbound',
  relayed: false,
  openedAt: now - 60_000,
  lastUsedAt: now - 1_000,
  isInUse: false,
  ...changes,
});

export const idle = { lastUsedAt: now - 300_000, openedAt: now - 400_000 };
export const old = { openedAt: now - 3_600_000 };

/** A peer with a connection of the same name, unless it has others. */
export const peer = (peerId: string, changes: Partial<PlannedPeer & PlannedConnection> = {}): PlannedPeer => {
  const { isMaintained = false, isNeeded = false, roles = [], reputation = 0, ...others } = changes;
  const { value = 0, patience = 1, connections = [connection(peerId, others)] } = others;
  return { peerId, isMaintained, isNeeded, roles, reputation, value, patience, connections };
};

export const known = (peerId: string, changes: Partial<KnownPeer> = {}): KnownPeer => ({
  peerId,
  roles: [],
  reputation: 0,
  ...changes,
});

/** A view of a node that has a pool and nothing else. */
export const viewOf = (changes: Partial<PlanView> = {}): PlanView => ({
  selfPeerId: 'm',
  now,
  salt: 7,
  limits,
  pool,
  connected: [],
  known: [],
  dialing: new Map(),
  renewing: new Set(),
  restingUntil: new Map(),
  ...changes,
});

/** What is there when a plan was carried out, and every dial worked. */
export const carriedOut = (view: PlanView, plan: ConnectionPlan): PlanView => {
  const closed = new Set(plan.close.map(({ connectionId }) => connectionId));
  const renewed = new Set(plan.renew.map(({ peerId }) => peerId));
  const opened = new Set(plan.open.map(({ peerId }) => peerId));
  const fresh = (peerId: string): PlannedConnection =>
    connection(`${peerId} anew`, { openedAt: now, lastUsedAt: now });
  const stay = view.connected.map((one) => ({
    ...one,
    connections: [
      ...one.connections.filter(({ id }) => !closed.has(id)),
      ...(renewed.has(one.peerId) ? [fresh(one.peerId)] : []),
    ],
  }));
  const come = view.known.filter(({ peerId }) => opened.has(peerId));
  return {
    ...view,
    connected: [
      ...stay.filter(({ connections }) => connections.length > 0),
      ...come.map((one) => peer(one.peerId, { ...one, connections: [fresh(one.peerId)] })),
    ],
    known: view.known.filter(({ peerId }) => !opened.has(peerId)),
  };
};

export const few = (maxConnections: number): Partial<PlanView> => ({ limits: { ...limits, maxConnections } });
export const minimum = (minConnections: number): Partial<PlanView> => ({ pool: { ...pool, minConnections } });
export const executors = (executor: number): Partial<PlanView> => ({
  pool: { ...pool, roles: { executor } },
});
export const isExecutor = { roles: ['executor'] } as const;
export const isInUse = { isInUse: true };
export const resting = { restingUntil: new Map([['a', now + 1]]) };

/** A plan in short: who, and why. What is left out is empty. */
export interface Wanted {
  readonly close?: readonly string[];
  readonly renew?: readonly string[];
  readonly open?: readonly string[];
  readonly search?: readonly string[];
  readonly overdue?: readonly string[];
  readonly excess?: readonly string[];
}

export function short(view: PlanView): Required<Wanted> {
  const plan = planConnections(view);
  return {
    close: plan.close.map(({ connectionId, cause }) => `${connectionId} ${cause.code}`),
    renew: plan.renew.map(({ peerId, because }) => `${peerId}: ${because.join(', ')}`),
    open: plan.open.map(
      ({ peerId, reason }) => `${peerId}: ${reason.kind === 'role' ? reason.role : 'minimum'}`,
    ),
    search: plan.search.map(({ role, count }) => `${count} ${role}`),
    overdue: plan.overdue.map(({ connectionId, waitsFor }) => `${connectionId} ${waitsFor}`),
    excess: plan.excess.map(({ limit, connections, allowed }) => `${limit} ${connections}/${allowed}`),
  };
}

/** A rule, what it is about, and what is to be done. */
export type PlanRow = readonly [name: string, view: Partial<PlanView>, wanted: Wanted];

export const checkPlan = (_: string, changes: Partial<PlanView>, wanted: Wanted): void => {
  const nothing = { close: [], renew: [], open: [], search: [], overdue: [], excess: [] };
  expect(short(viewOf(changes))).toEqual({ ...nothing, ...wanted });
};

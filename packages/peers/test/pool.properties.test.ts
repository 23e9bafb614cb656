import { fc } from '@fast-check/vitest';
import { describe, expect, it } from 'vitest';

import { planConnections } from '../src/internal/planConnections.ts';
import type { KnownPeer, PlannedPeer, PlanView } from '../src/internal/poolView.ts';
import { carriedOut, limits, now, pool, viewOf } from './poolViews.ts';

const roles = fc.subarray(['executor', 'validator', 'relay'] as const);
const reputation = fc.double({ min: -30, max: 30, noNaN: true });
const moment = fc.integer({ min: now - 5_000_000, max: now });

const aConnection = fc.record({
  direction: fc.constantFrom('inbound', 'outbound'),
  relayed: fc.boolean(),
  openedAt: moment,
  usedFor: fc.double({ min: 0, max: 1, noNaN: true }),
  isInUse: fc.boolean(),
});

const aPeer = fc.record({
  isMaintained: fc.boolean(),
  roles,
  reputation,
  isNeeded: fc.boolean(),
  value: fc.integer({ min: 0, max: 200 }),
  patience: fc.constantFrom(1, 2, 16),
  connections: fc.array(aConnection, { minLength: 1, maxLength: 3 }),
});

const connectedPeers = fc.array(aPeer, { maxLength: 12 }).map((peers) =>
  peers.map((peer, at): PlannedPeer => {
    const peerId = `${'ko'[at % 2]}${at}`;
    const connections = peer.connections.map(({ usedFor, ...one }, which) => ({
      ...one,
      id: `${peerId}-${which}`,
      lastUsedAt: Math.round(one.openedAt + usedFor * (now - one.openedAt)),
    }));
    return { ...peer, peerId, connections };
  }),
);

const knownPeers = fc
  .array(fc.record({ roles, reputation }), { maxLength: 8 })
  .map((peers) => peers.map((peer, at): KnownPeer => ({ ...peer, peerId: `known-${at}` })));

const most = fc.integer({ min: 1, max: 20 });
const target = fc.integer({ min: 0, max: 4 });

const aView: fc.Arbitrary<PlanView> = fc
  .record({
    connected: connectedPeers,
    known: knownPeers,
    hasPool: fc.boolean(),
    limits: fc.record({
      maxConnections: most,
      maxInboundConnections: most,
      maxOutboundConnections: most,
      maxConnectionsPerPeer: fc.integer({ min: 1, max: 4 }),
      maxPendingConnections: most,
    }),
    minConnections: target,
    maxConnections: fc.integer({ min: 4, max: 20 }),
    targets: fc.record({ executor: target, validator: target, relay: target }),
  })
  .map(({ hasPool, minConnections, maxConnections, targets, ...view }) =>
    viewOf({
      ...view,
      selfPeerId: 'm',
      limits: { ...limits, ...view.limits },
      pool: hasPool ? { ...pool, minConnections, maxConnections, roles: targets } : undefined,
    }),
  );

const holds = (check: (view: PlanView) => void): void =>
  fc.assert(fc.property(aView, check), { numRuns: 400 });

describe('any plan', () => {
  it('closes nothing that is in use, and leaves whoever is maintained or in use a connection', () =>
    holds((view) => {
      const closed = new Set(planConnections(view).close.map(({ connectionId }) => connectionId));
      for (const { isMaintained, connections } of view.connected) {
        const isUsed = connections.some(({ isInUse }) => isInUse);
        for (const { id, isInUse } of connections) expect(isInUse && closed.has(id)).toBe(false);
        const isGone = connections.every(({ id }) => closed.has(id));
        expect(isGone && (isMaintained || isUsed)).toBe(false);
      }
    }));

  it('closes nobody whom it says to protect', () =>
    holds((view) => {
      const plan = planConnections(view);
      const closed = new Set(plan.close.map(({ connectionId }) => connectionId));
      const gone = view.connected.filter(({ connections }) => connections.every(({ id }) => closed.has(id)));
      expect(gone.filter(({ peerId }) => plan.protections.has(peerId))).toEqual([]);
    }));

  it('keeps each limit, or says by how much it is exceeded', () =>
    holds((view) => {
      const plan = planConnections(view);
      const left = carriedOut(view, { ...plan, renew: [], open: [] }).connected.flatMap(
        ({ connections }) => connections,
      );
      const beyond = plan.excess.find(({ limit }) => limit === 'maxConnections');
      expect(Math.max(left.length, view.limits.maxConnections)).toBe(
        beyond?.connections ?? view.limits.maxConnections,
      );
    }));

  it('dials and renews only as far as there is room', () =>
    holds((view) => {
      const { open, renew, missing } = planConnections(view);
      const all = view.connected.flatMap(({ connections }) => connections);
      const outbound = all.filter(({ direction }) => direction === 'outbound').length;
      const dials = open.length + renew.length;
      if (dials === 0) return;
      expect(all.length + dials).toBeLessThanOrEqual(view.limits.maxConnections);
      expect(outbound + dials).toBeLessThanOrEqual(view.limits.maxOutboundConnections);
      expect(dials).toBeLessThanOrEqual(view.limits.maxPendingConnections);
      expect(open.length).toBeLessThanOrEqual(missing.reduce((sum, { count }) => sum + count, 0));
    }));

  it('closes the same, whatever is known', () =>
    holds((view) => {
      const without = planConnections({ ...view, known: [] });
      const { close, renew, missing } = planConnections(view);
      expect({ close, renew, missing }).toEqual({
        close: without.close,
        renew: without.renew,
        missing: without.missing,
      });
    }));

  it('does not depend on the order of what it is made from', () =>
    holds((view) => {
      const turned = view.connected.map((peer) => ({ ...peer, connections: peer.connections.toReversed() }));
      const other = { ...view, connected: turned.toReversed(), known: view.known.toReversed() };
      const [plan, same] = [planConnections(view), planConnections(other)];
      expect({ ...same, protections: null }).toEqual({ ...plan, protections: null });
      expect(new Map(same.protections)).toEqual(new Map(plan.protections));
    }));

  it('leaves nothing to do but to search when it was carried out a few times', () =>
    holds((view) => {
      let at = view;
      // Closing makes room for renewing and dialling, which replaces what is then closed.
      for (let times = 0; times < 12; times++) at = carriedOut(at, planConnections(at));
      const { close, renew, open } = planConnections(at);
      expect({ close, renew, open }).toEqual({ close: [], renew: [], open: [] });
    }));
});

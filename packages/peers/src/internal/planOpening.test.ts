import { describe, expect, it } from 'vitest';

import {
  checkPlan,
  connection,
  executors,
  few,
  idle,
  isExecutor,
  isInUse,
  known,
  limits,
  minimum,
  now,
  old,
  peer,
  pool,
  resting,
  viewOf,
  type PlanRow,
} from '../../test/poolViews.ts';
import { planConnections } from './planConnections.ts';
import type { PlanView } from './poolView.ts';

const asExecutor = new Map([['x', ['executor']]] as const);

const openRows: readonly PlanRow[] = [
  [
    'known peers are dialled for the minimum',
    { ...minimum(2), connected: [peer('a')], known: [known('b')] },
    { open: ['b: minimum'] },
  ],
  [
    'only as many as are missing, the best reputation first',
    { ...minimum(2), connected: [peer('a')], known: [known('b'), known('c', { reputation: 2 })] },
    { open: ['c: minimum'] },
  ],
  [
    'those of a role before others',
    { ...minimum(1), known: [known('b'), known('c', isExecutor)] },
    { open: ['c: minimum'] },
  ],
  [
    'those under way count',
    { ...minimum(2), dialing: new Map([['a', []]]), known: [known('a'), known('b')] },
    { open: ['b: minimum'] },
  ],
  [
    'known peers are dialled for a role',
    { ...executors(2), connected: [peer('a', isExecutor)], known: [known('b', isExecutor), known('c')] },
    { open: ['b: executor'] },
  ],
  [
    'a role is searched when nobody known is left',
    { ...executors(3), connected: [peer('a', isExecutor)], known: [known('b', isExecutor)] },
    { open: ['b: executor'], search: ['1 executor'] },
  ],
  ['one under way for a role counts', { ...executors(1), dialing: asExecutor }, {}],
  [
    'one of two roles is dialled once',
    {
      pool: { ...pool, roles: { executor: 1, validator: 1 } },
      known: [
        known('a', { roles: ['executor', 'validator'] }),
        known('b', { roles: ['validator'], reputation: -1 }),
      ],
    },
    { open: ['a: executor'] },
  ],
  [
    'one dialled for a role counts for the minimum',
    {
      pool: { ...pool, minConnections: 1, roles: { executor: 1 } },
      known: [known('a', isExecutor), known('b')],
    },
    { open: ['a: executor'] },
  ],
  ['a bad reputation is not dialled', { ...minimum(1), known: [known('a', { reputation: -16.5 })] }, {}],
  [
    'failures alone keep nobody out',
    { ...minimum(1), known: [known('a', { reputation: -15 })] },
    { open: ['a: minimum'] },
  ],
  ['whoever rests is not dialled', { ...minimum(1), ...resting, known: [known('a')] }, {}],
  [
    'a role is filled beyond the maximum of the pool',
    {
      pool: { ...pool, maxConnections: 1, roles: { executor: 1 } },
      connected: [peer('a', isInUse)],
      known: [known('b', isExecutor)],
    },
    { open: ['b: executor'] },
  ],
  [
    'nobody is dialled or searched where there is no room',
    { ...executors(2), ...few(1), connected: [peer('a', isInUse)], known: [known('b', isExecutor)] },
    {},
  ],
  [
    'dials have a limit of their own',
    {
      ...minimum(3),
      limits: { ...limits, maxPendingConnections: 2 },
      known: [known('a'), known('b'), known('c')],
    },
    { open: ['c: minimum', 'b: minimum'] },
  ],
  [
    'connections of this node have a limit',
    {
      ...minimum(2),
      limits: { ...limits, maxOutboundConnections: 1 },
      connected: [peer('a')],
      known: [known('b')],
    },
    {},
  ],
  [
    'those under way take up places of this node',
    {
      ...minimum(3),
      limits: { ...limits, maxOutboundConnections: 2 },
      dialing: new Map([['a', []]]),
      known: [known('b'), known('c')],
    },
    { open: ['c: minimum'] },
  ],
  [
    'places for a missing role are not taken for the minimum',
    {
      pool: { ...pool, minConnections: 4, roles: { executor: 2 } },
      ...few(4),
      connected: [peer('a')],
      known: [known('b'), known('c')],
    },
    { open: ['c: minimum'], search: ['2 executor'] },
  ],
  [
    'the minimum does not lead beyond the maximum of the pool',
    {
      pool: { ...pool, minConnections: 2, maxConnections: 2 },
      connected: [peer('a', { connections: [connection('a1', isInUse), connection('a2', isInUse)] })],
      known: [known('b')],
    },
    {},
  ],
  ['nobody is dialled without a pool', { pool: undefined, known: [known('b')] }, {}],
];

describe('missing peers', () => {
  it.each(openRows)('%s', checkPlan);
});

const protectionRows: readonly (readonly [string, Partial<PlanView>, readonly string[]])[] = [
  ['nothing speaks for a peer', { connected: [peer('a')] }, []],
  [
    'everything does',
    {
      pool: { ...pool, minConnections: 1, roles: { executor: 1 } },
      connected: [peer('a', { ...isExecutor, ...isInUse, isMaintained: true })],
    },
    ['maintained', 'inUse', 'role', 'minimum'],
  ],
  [
    'without a pool only who wants or uses it',
    { pool: undefined, connected: [peer('a', { ...isExecutor, ...isInUse, isMaintained: true })] },
    ['maintained', 'inUse'],
  ],
  ['one more than the minimum', { ...minimum(1), connected: [peer('a'), peer('b')] }, []],
  ['one that is about to be closed', { connected: [peer('a', idle)] }, []],
];

describe('why a peer is kept', () => {
  it.each(protectionRows)('%s', (_, changes, wanted) => {
    expect(planConnections(viewOf(changes)).protections.get('a') ?? []).toEqual(wanted);
  });
});

const lookRows: readonly (readonly [string, Partial<PlanView>, number])[] = [
  ['nothing is to come', { pool: undefined, connected: [peer('a')] }, 60_000],
  ['one will have been idle for long', { connected: [peer('a', { lastUsedAt: now - 290_000 })] }, 10_000],
  ['it will be in no time', { connected: [peer('a', { lastUsedAt: now - 299_999 })] }, 1_000],
  [
    'one will be old',
    { connected: [peer('a', { isMaintained: true, openedAt: now - 3_600_000 + 7_000 })] },
    7_000,
  ],
  [
    'an old one is in use',
    { connected: [peer('a', { connections: [connection('a1', { ...old, ...isInUse }), connection('a2')] })] },
    1_000,
  ],
  ['too many are in use', { ...few(1), connected: [peer('a', isInUse), peer('b', isInUse)] }, 1_000],
  [
    'replacing one may be tried again',
    { restingUntil: new Map([['a', now + 5_000]]), connected: [peer('a', { ...old, isMaintained: true })] },
    5_000,
  ],
];

describe('the next look is soon enough when', () => {
  it.each(lookRows)('%s', (_, changes, wanted) => {
    expect(planConnections(viewOf(changes)).nextLookMs).toBe(wanted);
  });
});

describe('the reasons of a plan', () => {
  const messageOf = (changes: Partial<PlanView>): string | undefined =>
    planConnections(viewOf(changes)).close[0]?.cause.message;

  it('tell limits with figures, and why this connection', () => {
    expect(
      messageOf({ ...few(1), connected: [peer('a', { relayed: true, ...isExecutor }), peer('b', isInUse)] }),
    ).toBe(
      'there are 2, maxConnections is 1; nothing speaks for it, reputation 0, executor, relayed, unused for 1000 ms',
    );
    const two = { connections: [connection('a1'), connection('a2', isInUse)] };
    expect(messageOf({ limits: { ...limits, maxOutboundConnections: 1 }, connected: [peer('a', two)] })).toBe(
      'there are 2, maxOutboundConnections is 1; there is another one to the same peer, reputation 0, no role, direct, unused for 1000 ms',
    );
    expect(messageOf({ ...executors(1), ...few(2), connected: [peer('a'), peer('b')] })).toContain(
      'there are 2, maxConnections is 2, 1 of them kept free for roles',
    );
  });

  it('tell disuse and age with figures', () => {
    expect(messageOf({ connected: [peer('a', idle)] })).toBe(
      'nobody used it for 300000 ms, idleTimeoutMs is 300000',
    );
    expect(messageOf({ connected: [peer('a', old)] })).toBe(
      'it was open for 3600000 ms, connectionTtlMs is 3600000',
    );
  });

  it('tell what a dial is for', () => {
    const { open } = planConnections(
      viewOf({ ...executors(2), connected: [peer('a', isExecutor)], known: [known('b', isExecutor)] }),
    );
    expect(open).toEqual([
      {
        peerId: 'b',
        roles: ['executor'],
        reason: { kind: 'role', role: 'executor', connected: 1, target: 2 },
      },
    ]);
  });

  it('tell who keeps a limit from being kept', () => {
    const connected = [peer('a', { ...isInUse, isMaintained: true }), peer('b', isInUse)];
    const { excess } = planConnections(viewOf({ ...few(1), connected }));
    expect(excess[0]?.keptBy).toEqual({ maintained: 1, inUse: 2, role: 0, needed: 0, minimum: 0 });
  });
});

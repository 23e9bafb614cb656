import { describe, it } from 'vitest';

import {
  checkPlan,
  connection,
  executors,
  few,
  idle,
  isExecutor,
  isInUse,
  limits,
  minimum,
  now,
  old,
  peer,
  pool,
  resting,
  type PlanRow,
} from '../../test/poolViews.ts';

const limitRows: readonly PlanRow[] = [
  ['nothing is beyond a limit', { ...few(2), connected: [peer('a'), peer('b')] }, {}],
  [
    'limits are kept without a pool',
    { ...few(1), pool: undefined, connected: [peer('a'), peer('b', { reputation: -1 })] },
    { close: ['b LIMIT'] },
  ],
  [
    'the least reputation goes first, before all else',
    {
      ...few(1),
      connected: [
        peer('a', { relayed: true, ...idle, direction: 'inbound' }),
        peer('b', { reputation: -1, ...isExecutor }),
      ],
      pool: undefined,
    },
    { close: ['b LIMIT'] },
  ],
  [
    'less than a point of reputation decides nothing',
    { ...few(1), connected: [peer('a', isExecutor), peer('b', { reputation: 0.4 })] },
    { close: ['b LIMIT'] },
  ],
  [
    'no role goes before a role',
    { ...few(1), connected: [peer('a'), peer('b', { ...isExecutor, relayed: true })] },
    { close: ['a LIMIT'] },
  ],
  [
    'relayed goes before direct',
    { ...few(1), connected: [peer('a', { lastUsedAt: now - 9_000 }), peer('b', { relayed: true })] },
    { close: ['b LIMIT'] },
  ],
  [
    'the longest unused goes first',
    { ...few(1), connected: [peer('a', { lastUsedAt: now - 9_000 }), peer('b', { direction: 'inbound' })] },
    { close: ['a LIMIT'] },
  ],
  [
    'inbound goes before outbound',
    { ...few(1), connected: [peer('a', { openedAt: now - 1 }), peer('b', { direction: 'inbound' })] },
    { close: ['b LIMIT'] },
  ],
  [
    'the newest goes first',
    { ...few(1), connected: [peer('a', { openedAt: now - 2 }), peer('b', { openedAt: now - 1 })] },
    { close: ['b LIMIT'] },
  ],
  [
    'of equals the smaller id goes first',
    { ...few(1), connected: [peer('b'), peer('a')] },
    { close: ['a LIMIT'] },
  ],
  [
    'a second connection goes before the only one of somebody worse',
    {
      ...few(2),
      connected: [
        peer('a', { connections: [connection('a1'), connection('a2', { direction: 'inbound' })] }),
        peer('b', { reputation: -9 }),
      ],
    },
    { close: ['a1 LIMIT'] },
  ],
  [
    'both sides keep the connection that the smaller id has dialled',
    {
      ...few(1),
      connected: [peer('z', { connections: [connection('z1'), connection('z2', { direction: 'inbound' })] })],
    },
    { close: ['z2 LIMIT'] },
  ],
  [
    'a second connection to a maintained peer may go',
    {
      ...few(1),
      connected: [
        peer('a', {
          isMaintained: true,
          connections: [connection('a1'), connection('a2', { relayed: true })],
        }),
      ],
    },
    { close: ['a2 LIMIT'] },
  ],
  [
    'a maintained peer stays, and the limit is exceeded',
    {
      ...few(1),
      connected: [peer('a', { isMaintained: true, reputation: -20 }), peer('b', { isMaintained: true })],
    },
    { excess: ['maxConnections 2/1'] },
  ],
  [
    'one that is in use stays, and the limit is exceeded',
    { ...few(1), connected: [peer('a', isInUse), peer('b', isInUse)] },
    { excess: ['maxConnections 2/1'] },
  ],
  [
    'one that a role needs stays',
    {
      ...executors(1),
      ...few(1),
      connected: [peer('a', { ...isExecutor, relayed: true }), peer('b', { reputation: 50 })],
    },
    { close: ['b LIMIT'] },
  ],
  [
    'of a role only as many as are needed stay, the best',
    {
      ...executors(1),
      ...few(1),
      connected: [peer('a', { ...isExecutor, reputation: 5 }), peer('b', isExecutor)],
    },
    { close: ['b LIMIT'] },
  ],
  [
    'one that stays anyhow fills the target of its role',
    {
      ...executors(1),
      ...few(1),
      connected: [peer('a', { ...isExecutor, reputation: 5 }), peer('b', { ...isExecutor, ...isInUse })],
    },
    { close: ['a LIMIT'] },
  ],
  [
    'a bad reputation counts for no role',
    {
      ...executors(1),
      ...few(2),
      connected: [peer('a', { ...isExecutor, reputation: -17 }), peer('b'), peer('c')],
    },
    { close: ['a LIMIT', 'b LIMIT'] },
  ],
  [
    'too many of one direction close that direction only',
    {
      limits: { ...limits, maxInboundConnections: 0 },
      connected: [peer('a', { direction: 'inbound', reputation: 50 }), peer('b')],
    },
    { close: ['a LIMIT'] },
  ],
  [
    'what one direction loses counts for the total',
    {
      limits: { ...limits, maxConnections: 1, maxOutboundConnections: 0 },
      connected: [peer('a', { reputation: 50 }), peer('b', { direction: 'inbound' })],
    },
    { close: ['a LIMIT'] },
  ],
  [
    'the pool has a limit of its own',
    { pool: { ...pool, maxConnections: 1 }, connected: [peer('a', { lastUsedAt: now - 15_000 }), peer('b')] },
    { close: ['a LIMIT'] },
  ],
  [
    'a limit is stronger than the minimum',
    { ...few(1), ...minimum(2), connected: [peer('a'), peer('b')] },
    { close: ['a LIMIT'] },
  ],
  [
    'peers of no role leave places for a role that is missing',
    { ...executors(2), ...few(4), connected: [peer('a'), peer('b'), peer('c'), peer('d')] },
    { close: ['a LIMIT', 'b LIMIT'] },
  ],
];

const idleRows: readonly PlanRow[] = [
  ['one that nobody uses is closed', { connected: [peer('a', idle)] }, { close: ['a IDLE'] }],
  ['one that was used within the time stays', { connected: [peer('a', { lastUsedAt: now - 299_999 })] }, {}],
  [
    'as many as the minimum stay, the best',
    { ...minimum(1), connected: [peer('a', idle), peer('b', { ...idle, reputation: 1 })] },
    { close: ['a IDLE'] },
  ],
  [
    'those in use count for the minimum',
    { ...minimum(1), connected: [peer('a', idle), peer('b', isInUse)] },
    { close: ['a IDLE'] },
  ],
  [
    'the minimum counts peers: a second connection goes',
    {
      ...minimum(1),
      connected: [
        peer('a', {
          connections: [connection('a1', idle), connection('a2', { ...idle, direction: 'inbound' })],
        }),
      ],
    },
    { close: ['a1 IDLE'] },
  ],
  ['a maintained one stays', { connected: [peer('a', { ...idle, isMaintained: true })] }, {}],
  [
    'one that a role needs stays',
    { ...executors(1), connected: [peer('a', { ...idle, ...isExecutor })] },
    {},
  ],
  [
    'one beyond the target of its role is closed',
    {
      ...executors(1),
      connected: [peer('a', { ...idle, ...isExecutor }), peer('b', { ...isExecutor, ...isInUse })],
    },
    { close: ['a IDLE'] },
  ],
  ['one in use stays, however long', { connected: [peer('a', { ...idle, ...isInUse })] }, {}],
  [
    'the one beside a connection in use is closed',
    { connected: [peer('a', { connections: [connection('a1', isInUse), connection('a2', idle)] })] },
    { close: ['a2 IDLE'] },
  ],
  [
    'nothing is closed for being idle without a pool',
    { pool: undefined, connected: [peer('a', { ...idle, ...old })] },
    {},
  ],
  [
    'one that goes for being idle is none too many',
    { ...few(1), connected: [peer('a', { reputation: -1 }), peer('b', idle)] },
    { close: ['b IDLE'] },
  ],
];

const replaced = (changes = {}) => [
  connection('a1', { ...old, ...changes }),
  connection('a2', { openedAt: now - 2_000 }),
];

const ageRows: readonly PlanRow[] = [
  ['an old one that nobody needs is closed', { connected: [peer('a', old)] }, { close: ['a EXPIRED'] }],
  [
    'an old one that is idle too is told as idle',
    { connected: [peer('a', { ...old, ...idle, openedAt: 0 })] },
    { close: ['a IDLE'] },
  ],
  [
    'an old one to a maintained peer is replaced first',
    { connected: [peer('a', { ...old, isMaintained: true })] },
    { renew: ['a: maintained'] },
  ],
  [
    'an old one that a role needs is replaced first',
    { ...executors(1), connected: [peer('a', { ...old, ...isExecutor })] },
    { renew: ['a: role'] },
  ],
  [
    'an old one in use is replaced first',
    { connected: [peer('a', { ...old, ...isInUse })] },
    { renew: ['a: inUse'] },
  ],
  [
    'an old one that the minimum needs is replaced first',
    { ...minimum(1), connected: [peer('a', old)] },
    { renew: ['a: minimum'] },
  ],
  [
    'one that was replaced is closed',
    { connected: [peer('a', { isMaintained: true, connections: replaced() })] },
    { close: ['a1 EXPIRED'] },
  ],
  [
    'one that was replaced stays while it is in use',
    { connected: [peer('a', { connections: replaced(isInUse) })] },
    { overdue: ['a1 inUse'] },
  ],
  [
    'what replaced it is not the first to go then',
    { ...few(1), connected: [peer('a', { connections: replaced(isInUse) })] },
    { overdue: ['a1 inUse'], excess: ['maxConnections 2/1'] },
  ],
  [
    'a relayed one does not replace a direct one',
    {
      connected: [
        peer('a', {
          isMaintained: true,
          connections: [connection('a1', old), connection('a2', { relayed: true })],
        }),
      ],
    },
    { renew: ['a: maintained'] },
  ],
  [
    'a direct one replaces a relayed one',
    {
      connected: [
        peer('a', { connections: [connection('a1', { ...old, relayed: true }), connection('a2')] }),
      ],
    },
    { close: ['a1 EXPIRED'] },
  ],
  [
    'of two old ones one is replaced, the other closed',
    {
      connected: [
        peer('a', {
          isMaintained: true,
          connections: [connection('a1', old), connection('a2', { ...old, direction: 'inbound' })],
        }),
      ],
    },
    { close: ['a1 EXPIRED'], renew: ['a: maintained'] },
  ],
  [
    'it stays while it is being replaced',
    { renewing: new Set(['a']), connected: [peer('a', { ...old, isMaintained: true })] },
    { overdue: ['a renewing'] },
  ],
  [
    'it stays while replacing it has failed',
    { ...resting, connected: [peer('a', { ...old, isMaintained: true })] },
    { overdue: ['a backOff'] },
  ],
  [
    'it stays when there is no room for another one',
    { ...few(1), connected: [peer('a', { ...old, isMaintained: true })] },
    { overdue: ['a noRoom'] },
  ],
  [
    'it is replaced also when the peer may have one only: it does not count meanwhile',
    {
      limits: { ...limits, maxConnectionsPerPeer: 1 },
      connected: [peer('a', { ...old, isMaintained: true })],
    },
    { renew: ['a: maintained'] },
  ],
  [
    'it stays while its successor may still be refused',
    {
      connected: [
        peer('a', {
          isMaintained: true,
          connections: [connection('a1', old), connection('a2', { openedAt: now - 1_999 })],
        }),
      ],
    },
    { overdue: ['a1 renewing'] },
  ],
  [
    'it stays when there are more than the peer may have already',
    {
      limits: { ...limits, maxConnectionsPerPeer: 1 },
      connected: [
        peer('a', {
          connections: [connection('a1', { ...old, ...isInUse }), connection('a2', { ...old, ...isInUse })],
        }),
      ],
    },
    { overdue: ['a2 inUse', 'a1 noRoom'] },
  ],
  [
    'four are replaced at a time, the best first',
    { connected: ['a', 'b', 'c', 'd', 'e'].map((id) => peer(id, { ...old, isMaintained: true })) },
    { renew: ['e', 'd', 'c', 'b'].map((id) => `${id}: maintained`), overdue: ['a queued'] },
  ],
  [
    'it may be older than that without a pool',
    { pool: undefined, connected: [peer('a', { ...old, isMaintained: true })] },
    {},
  ],
];

describe('limits', () => {
  it.each(limitRows)('%s', checkPlan);
});

describe('idle connections', () => {
  it.each(idleRows)('%s', checkPlan);
});

describe('old connections', () => {
  it.each(ageRows)('%s', checkPlan);
});

import { describe, expect, it } from 'vitest';

import {
  checkPlan,
  connection,
  few,
  isInUse,
  known,
  now,
  old,
  peer,
  pool,
  viewOf,
  type PlanRow,
} from '../../test/poolViews.ts';
import { planConnections } from './planConnections.ts';

const most = (maxConnections: number) => ({ pool: { ...pool, maxConnections } });
const unused = { lastUsedAt: now - 15_000 };
/** An old connection, and what has just been opened in its place. */
const replaced = (changes = {}, openedAt = now - 1_000) => ({
  connections: [connection('a1', { ...old, ...unused, ...changes }), connection('a2', { openedAt })],
});

const graceRows: readonly PlanRow[] = [
  [
    'one too many is closed when it was unused for a while',
    { ...most(1), connected: [peer('a', unused), peer('b', isInUse)] },
    { close: ['a LIMIT'] },
  ],
  [
    'one too many that was used a moment ago stays',
    { ...most(1), connected: [peer('a', { lastUsedAt: now - 14_999 }), peer('b', isInUse)] },
    { excess: ['pool.maxConnections 2/1'] },
  ],
  [
    'nobody better goes in its place',
    { ...most(1), connected: [peer('a'), peer('b', { ...unused, value: 5 })] },
    { excess: ['pool.maxConnections 2/1'] },
  ],
  [
    'a second connection to a peer has the same time',
    {
      ...most(1),
      connected: [peer('a', { connections: [connection('a1'), connection('a2', { direction: 'inbound' })] })],
    },
    { excess: ['pool.maxConnections 2/1'] },
  ],
  [
    'whoever came back before has more time',
    {
      ...most(0),
      connected: [
        peer('a', { lastUsedAt: now - 59_999, patience: 4 }),
        peer('b', { lastUsedAt: now - 60_000, patience: 4 }),
      ],
    },
    { close: ['b LIMIT'], excess: ['pool.maxConnections 1/0'] },
  ],
  [
    'a limit gives no time',
    { ...most(1), ...few(1), connected: [peer('a'), peer('b', isInUse)] },
    { close: ['a LIMIT'] },
  ],
];

const replacedRows: readonly PlanRow[] = [
  [
    'it may be replaced where the pool is full',
    { ...most(1), connected: [peer('a', { ...old, isMaintained: true })] },
    { renew: ['a: maintained'] },
  ],
  [
    'it and its successor count as one while that may still be refused',
    { ...most(1), connected: [peer('a', { ...replaced(), isMaintained: true })] },
    { overdue: ['a1 renewing'] },
  ],
  [
    'neither of them goes then, nor is anybody closed for them',
    { ...most(2), connected: [peer('a', replaced()), peer('b', unused)] },
    { overdue: ['a1 renewing'] },
  ],
  [
    'its end is its age afterwards, not the maximum',
    { ...most(1), connected: [peer('a', replaced({}, now - 2_000))] },
    { close: ['a1 EXPIRED'] },
  ],
  [
    'they count as one while the old one is in use',
    { ...most(1), connected: [peer('a', replaced(isInUse))] },
    { overdue: ['a1 inUse'] },
  ],
  [
    'a limit waits as well until it is known that its successor stays',
    { ...few(1), connected: [peer('a', replaced())] },
    { overdue: ['a1 renewing'], excess: ['maxConnections 2/1'] },
  ],
  [
    'they take one place of those for the minimum',
    {
      pool: { ...pool, minConnections: 2, maxConnections: 2 },
      connected: [peer('a', replaced(isInUse))],
      known: [known('b')],
    },
    { open: ['b: minimum'], overdue: ['a1 inUse'] },
  ],
  [
    'a peer that is always busy has no third one, however old the second is',
    {
      connected: [
        peer('a', {
          connections: [connection('a1', { ...old, ...isInUse }), connection('a2', { ...old, ...isInUse })],
        }),
      ],
    },
    { overdue: ['a2 inUse', 'a1 noRoom'] },
  ],
];

describe('the own maximum of a pool', () => {
  it.each(graceRows)('%s', checkPlan);

  it('is looked at again when the time of one too many is over', () => {
    const connected = [peer('a', { lastUsedAt: now - 10_000 })];
    expect(planConnections(viewOf({ ...most(0), connected })).nextLookMs).toBe(5_000);
  });
});

describe('an old connection', () => {
  it.each(replacedRows)('%s', checkPlan);
});

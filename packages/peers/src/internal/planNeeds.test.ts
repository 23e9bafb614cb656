import { describe, expect, it } from 'vitest';

import {
  checkPlan,
  few,
  idle,
  isExecutor,
  limits,
  minimum,
  now,
  old,
  peer,
  pool,
  viewOf,
  type PlanRow,
} from '../../test/poolViews.ts';
import { planConnections } from './planConnections.ts';

const needed = { isNeeded: true };

const rows: readonly PlanRow[] = [
  [
    'whom a service needs is not closed for being idle',
    { connected: [peer('a', { ...idle, ...needed }), peer('b', idle)] },
    { close: ['b IDLE'] },
  ],
  [
    'whom a service needs is replaced when it is old',
    { connected: [peer('a', { ...old, ...needed })] },
    { renew: ['a: needed'] },
  ],
  [
    'whom a service needs goes last when there are too many',
    { ...few(1), connected: [peer('a', { ...idle, ...needed }), peer('b', { reputation: 90 })] },
    { close: ['b LIMIT'] },
  ],
  [
    'a limit counts for more than what services need',
    { ...few(1), connected: [peer('a', { ...needed, lastUsedAt: now - 2 }), peer('b', needed)] },
    { close: ['b LIMIT'] },
  ],
  [
    'of whom reputation says little good no need counts',
    { ...few(1), connected: [peer('a', { ...needed, reputation: -17 }), peer('b')] },
    { close: ['a LIMIT'] },
  ],
  [
    'nor does it keep one that nobody uses',
    { connected: [peer('a', { ...idle, ...needed, reputation: -17 })] },
    { close: ['a IDLE'] },
  ],
  [
    'of equals the one goes that other services hold less of',
    { ...few(1), connected: [peer('a', { value: 50, lastUsedAt: now - 2_000 }), peer('b', { value: 20 })] },
    { close: ['b LIMIT'] },
  ],
  [
    'a role counts for more than what other services hold of a peer',
    { ...few(1), connected: [peer('a', { value: 500 }), peer('b', isExecutor)] },
    { close: ['a LIMIT'] },
  ],
  [
    'what other services hold of a peer counts for more than a direct way',
    { ...few(1), connected: [peer('a', { value: 1, relayed: true }), peer('b')] },
    { close: ['b LIMIT'] },
  ],
  [
    'the minimum is made of those that others hold most of',
    { ...minimum(1), connected: [peer('a', { ...idle, value: 100 }), peer('b', { ...idle, value: 50 })] },
    { close: ['b IDLE'] },
  ],
  [
    'who came back before may be idle for longer',
    {
      connected: [peer('a', { ...idle, patience: 2 }), peer('b', { lastUsedAt: now - 600_000, patience: 2 })],
    },
    { close: ['b IDLE'] },
  ],
];

describe('with regard to other services', () => {
  it.each(rows)('%s', checkPlan);

  it('a peer is not looked at every second because it is needed', () => {
    const plan = planConnections(viewOf({ limits, pool, connected: [peer('a', { ...idle, ...needed })] }));
    expect([plan.protections.get('a'), plan.nextLookMs]).toEqual([['needed'], 60_000]);
  });

  it('the reasons tell what they hold of a peer, and how patient the pool was', () => {
    const connected = [peer('a', { value: 7 }), peer('b', { ...needed, value: 7 })];
    const messages = planConnections(viewOf({ ...few(0), connected })).close.map(
      ({ cause }) => cause.message,
    );
    expect(messages).toEqual([
      expect.stringContaining(
        'nothing speaks for it, reputation 0, no role, value 7 to other services, direct',
      ),
      expect.stringContaining('services need it, but the limit counts for more'),
    ]);
    const patient = peer('a', { patience: 4, lastUsedAt: now - 1_200_000 });
    expect(planConnections(viewOf({ connected: [patient] })).close[0]?.cause.message).toBe(
      'nobody used it for 1200000 ms, idleTimeoutMs is 300000, 4 times that because it came back before',
    );
  });
});

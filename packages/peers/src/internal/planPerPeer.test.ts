import { describe, it } from 'vitest';

import { checkPlan, connection, isInUse, limits, old, peer, type PlanRow } from '../../test/poolViews.ts';

const rows: readonly PlanRow[] = [
  [
    'what is too many to one peer goes when it is not in use any more',
    {
      limits: { ...limits, maxConnectionsPerPeer: 1 },
      pool: undefined,
      connected: [
        peer('a', { connections: [connection('a1', isInUse), connection('a2', isInUse), connection('a3')] }),
      ],
    },
    { close: ['a3 LIMIT'] },
  ],
  [
    'one beyond that stays while an old one is replaced',
    {
      limits: { ...limits, maxConnectionsPerPeer: 1 },
      connected: [peer('a', { connections: [connection('a1', { ...old, ...isInUse }), connection('a2')] })],
    },
    { overdue: ['a1 inUse'] },
  ],
  [
    'and while another one is being opened',
    {
      limits: { ...limits, maxConnectionsPerPeer: 1 },
      renewing: new Set(['a']),
      connected: [peer('a', { connections: [connection('a1'), connection('a2')] })],
    },
    {},
  ],
];

describe('the limit of connections to one peer', () => {
  it.each(rows)('%s', checkPlan);
});

import { expect, it } from 'vitest';

import {
  connection,
  few,
  executors,
  isExecutor,
  isInUse,
  minimum,
  old,
  peer,
  viewOf,
} from '../../test/poolViews.ts';
import { planConnections } from './planConnections.ts';
import { explainPlan, poolLines, type PlannedFor } from './poolExplanation.ts';
import type { PlanView } from './poolView.ts';

const away: PlannedFor = {
  peerId: 'a',
  isConnected: false,
  isDialing: false,
  restMs: -1,
  reputation: 0,
  roles: [],
};
type Row = readonly [
  name: string,
  view: Partial<PlanView>,
  peer: Partial<PlannedFor>,
  wanted: object,
  words: string,
];

const rows: readonly Row[] = [
  ['is being dialled', minimum(1), { isDialing: true }, { dial: 'dialing' }, 'the pool is dialling it'],
  ['may be', minimum(1), {}, { dial: 'wanted' }, 'the pool may dial it, for want of peers'],
  [
    'may be later',
    minimum(1),
    { restMs: 41.5 },
    { dial: 'resting', restMs: 42 },
    'the pool does not dial it yet: the last connection failed or did not last, 42 ms to go',
  ],
  [
    'is one too many',
    minimum(0),
    {},
    { dial: 'enough' },
    'the pool does not dial it: nobody is missing, or there is no room',
  ],
  [
    'has another role',
    executors(1),
    { roles: ['validator'] },
    { dial: 'otherRole' },
    'the pool does not dial it: only peers of other roles are missing',
  ],
  [
    'has the role that is missing',
    executors(1),
    isExecutor,
    { dial: 'wanted' },
    'the pool may dial it, for want of peers',
  ],
  [
    'has done too much',
    minimum(1),
    { reputation: -17 },
    { dial: 'reputation' },
    'the pool does not dial it: its reputation is below -16',
  ],
  ['has nothing about it', { connected: [peer('a')] }, { isConnected: true }, {}, ''],
  [
    'is old and being replaced',
    { connected: [peer('a', { ...old, isMaintained: true })], renewing: new Set(['a']) },
    { isConnected: true },
    { overdue: 'renewing' },
    'its connection is past its lifetime: another one is being opened',
  ],
  [
    'is one too many and in use',
    { ...few(1), connected: [peer('a', isInUse), peer('b', { connections: [connection('b', isInUse)] })] },
    { isConnected: true },
    { exceeded: [{ limit: 'maxConnections', connections: 2, allowed: 1 }] },
    'maxConnections is exceeded, 2 instead of 1: those beyond it are protected',
  ],
];

it.each(rows)('a peer that %s is explained', (...[, view, changes, wanted, words]) => {
  const explained = explainPlan(planConnections(viewOf(view)), { ...away, ...changes });
  expect(explained).toEqual(wanted);
  expect(poolLines(explained).join('\n')).toBe(words);
});

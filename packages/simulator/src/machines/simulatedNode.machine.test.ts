import { recordFile } from '@lloom/inspector/vitest';
import { describe, expect, test } from 'vitest';
import { createActor } from 'xstate';
import { simulatedNodeMachine, type SimulatedNodeEvent } from './simulatedNode.machine.ts';

const machines = recordFile();
const [start, started, crash, stop] = (['start', 'started', 'crash', 'stop'] as const).map(
  (name) => ({ type: `node.${name}` }) as SimulatedNodeEvent,
) as [SimulatedNodeEvent, SimulatedNodeEvent, SimulatedNodeEvent, SimulatedNodeEvent];
const fail: SimulatedNodeEvent = { type: 'node.startFailed', reason: 'the port is taken' };

function begin(...events: readonly SimulatedNodeEvent[]) {
  const actor = createActor(simulatedNodeMachine, { id: 'simulatedNode', inspect: machines.inspect }).start();
  for (const event of events) actor.send(event);
  return actor;
}

/** How each state is reached. */
const toState = {
  planned: [],
  starting: [start],
  up: [start, started],
  down: [start, started, crash],
  failed: [start, fail],
} satisfies Record<string, readonly SimulatedNodeEvent[]>;

describe('a simulated node', () => {
  test.each<[keyof typeof toState, SimulatedNodeEvent, string]>([
    ['planned', start, 'starting'],
    ['planned', crash, 'planned'],
    ['planned', stop, 'stopped'],
    ['starting', started, 'up'],
    ['starting', fail, 'failed'],
    ['starting', stop, 'stopped'],
    ['up', crash, 'down'],
    ['up', start, 'up'],
    ['up', stop, 'stopped'],
    ['down', start, 'starting'],
    ['down', crash, 'down'],
    ['down', stop, 'stopped'],
    ['failed', start, 'starting'],
    ['failed', stop, 'stopped'],
  ])('%s: %o → %s', (...[state, event, next]) => {
    const actor = begin(...toState[state]);
    expect(actor.getSnapshot().value).toBe(state);
    actor.send(event);
    expect(actor.getSnapshot().value).toBe(next);
  });

  test('counts its starts, and tells why the last one failed until the next', () => {
    const actor = begin(start, fail);
    expect(actor.getSnapshot().context).toEqual({ starts: 1, reason: 'the port is taken' });
    actor.send(start);
    expect(actor.getSnapshot().context).toEqual({ starts: 2, reason: undefined });
  });
});

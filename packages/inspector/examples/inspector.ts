// Which transitions of a machine did a run take, and which did it never take?
import assert from 'node:assert/strict';

import { createRecorder } from '@lloom/inspector';
import { createActor, setup } from 'xstate';

// #region main
const doorMachine = setup({
  types: { events: {} as { type: 'door.open' } | { type: 'door.close' } | { type: 'door.lock' } },
}).createMachine({
  id: 'door',
  initial: 'closed',
  states: {
    closed: { on: { 'door.open': { target: 'open' }, 'door.lock': { target: 'locked' } } },
    open: { on: { 'door.close': { target: 'closed' } } },
    locked: {},
  },
});

const recorder = createRecorder();
const door = createActor(doorMachine, { inspect: recorder.inspect }).start();
door.send({ type: 'door.open' });
door.send({ type: 'door.close' });

const { machine, taken, total, missed } = recorder.coverage(doorMachine);
console.log(`${machine}: ${taken} of ${total} transitions taken, never: ${missed.join('; ')}`);
// #endregion
assert.deepEqual(missed, ['closed door.lock → locked']);

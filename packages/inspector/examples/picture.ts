// What does a machine look like, and what did it do in one run? Draws both to files.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chartMermaid, chartSvg, createRecorder, machineChart, runPage, sequenceSvg } from '@lloom/inspector';
import { createActor, setup } from 'xstate';

const lampMachine = setup({
  types: {} as { events: { type: 'lamp.switch' } | { type: 'lamp.break' } },
  guards: { isBroken: () => false },
}).createMachine({
  id: 'lamp',
  initial: 'off',
  states: {
    off: { on: { 'lamp.switch': [{ guard: 'isBroken', target: 'off' }, { target: 'on' }] } },
    on: { on: { 'lamp.switch': { target: 'off' }, 'lamp.break': { target: 'broken' } } },
    broken: { type: 'final' },
  },
});

const folder = mkdtempSync(join(tmpdir(), 'lloom-picture-'));

// #region main
const recorder = createRecorder();
const lamp = createActor(lampMachine, { inspect: recorder.inspect }).start();
lamp.send({ type: 'lamp.switch' });
lamp.send({ type: 'lamp.break' });

const run = recorder.run();
writeFileSync(join(folder, 'lamp.svg'), await chartSvg(machineChart(lampMachine), run));
writeFileSync(join(folder, 'sequence.svg'), sequenceSvg(run, { caller: 'me' }));
writeFileSync(join(folder, 'lamp.mmd'), chartMermaid(machineChart(lampMachine)));
writeFileSync(join(folder, 'lamp.html'), await runPage(run, { title: 'A lamp that breaks' }));
// #endregion

console.log(`${run.entries.length} entries, drawn to ${readdirSync(folder).toSorted().join(', ')}`);
const [guarded] = run.entries.filter((entry) => entry.type === 'taken');
assert.deepEqual(guarded?.refused, ['off lamp.switch [isBroken] → off']);
assert.deepEqual(readdirSync(folder).toSorted(), ['lamp.html', 'lamp.mmd', 'lamp.svg', 'sequence.svg']);
rmSync(folder, { recursive: true });

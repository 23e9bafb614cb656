// How a project asks Vitest for the coverage of its machines.
import assert from 'node:assert/strict';

// #region main
import { MachineCoverage } from '@lloom/inspector/reporter';
import { defineConfig } from 'vitest/config';

const config = defineConfig({
  test: {
    reporters: [
      'default',
      new MachineCoverage({
        thresholds: { transitions: 100 },
        exceptions: [
          { machine: 'pump', transition: 'idle pump.explode → gone', why: 'only broken hardware does that' },
        ],
        machineFiles: ['src/machines/*.machine.ts'],
        pictures: 'failed',
      }),
    ],
  },
});
// #endregion

assert.ok(Array.isArray(config.test?.reporters));
console.log('Give it to vitest.config.ts as its default export.');

// How a project demands that its tests take every transition of its machines.
import assert from 'node:assert/strict';
import { MachineCoverage } from '@lloom/inspector/reporter';
import { defineConfig } from 'vitest/config';

// #region main
const coverage = new MachineCoverage({
  thresholds: { transitions: 100 },
  exceptions: [
    { machine: 'pump', transition: 'idle pump.explode → gone', why: 'only broken hardware does that' },
  ],
  machineFiles: ['src/machines/*.machine.ts'],
  pictures: 'failed',
});
// #endregion

const config = defineConfig({ test: { reporters: ['default', coverage] } });
assert.ok(Array.isArray(config.test?.reporters));
console.log('Vitest takes it among its reporters.');

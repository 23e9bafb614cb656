// What a project puts into its vitest.config.ts to see its machines in the report, and their coverage.
// #region main
import { MachineCoverage } from '@lloom/inspector/reporter';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { reporters: ['default', ['html', { singleFile: true }], new MachineCoverage()] },
});
// #endregion

console.log('Vitest takes it as it is.');

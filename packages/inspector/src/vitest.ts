/**
 * A recorder for each test of Vitest: pictures of what machines did in the test report, and their coverage.
 *
 * @packageDocumentation
 */
export { declareMachines, recordFile, test, withMachines, type MachinesFixture } from './vitest/fixture.ts';
export type { MachinesConfig } from './testConfig.ts';
export type { MachinePictures } from './vitest/settings.ts';

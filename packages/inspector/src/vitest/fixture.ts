import { afterAll, afterEach, beforeAll, beforeEach, test as vitestTest, type TestAPI } from 'vitest';
import type { AnyStateMachine } from 'xstate';
import { createRecorder, type Recorder } from '../recorder.ts';
import type { MachinesConfig } from '../testConfig.ts';
import { drawTest, noteMachines } from './drawTest.ts';
import type { FileTask } from './settings.ts';

/** What a test gets. */
export interface MachinesFixture {
  /** A recorder of this test alone. Give its `inspect` to what the test runs. */
  readonly machines: Recorder;
}

/**
 * A `test` whose tests also get `machines`, beside the fixtures it has already. Fixtures of `base` are still there when
 * the pictures are drawn, so time that one of them has replaced is counted up to the end of the test.
 *
 * @throws {RangeError} in each test when a bound is no whole number from 0 on
 * @example
 * ```ts
 * const test = withMachines(baseTest.extend('network', async () => createNetwork()));
 *
 * let clock = new SimulatedClock(); // each test sets its own
 * const timed = withMachines(baseTest, { clock: { now: () => clock.now() } });
 * ```
 */
export function withMachines<Context extends object>(
  base: TestAPI<Context>,
  config: MachinesConfig = {},
): TestAPI<Context & MachinesFixture> {
  // In the form that every Vitest from 4 on knows.
  const extended = (base as unknown as TestAPI).extend<MachinesFixture>({
    machines: async ({ task, annotate }, use) => {
      const recorder = createRecorder(config);
      await use(recorder);
      const run = recorder.run();
      noteMachines(task.file, run);
      await drawTest({ task, annotate }, run, config);
    },
  });
  return extended as unknown as TestAPI<Context & MachinesFixture>;
}

/**
 * Vitest's `test` with the fixture `machines`: a recorder of each test that asks for it. When the test is over, the
 * chart of each machine and the sequence of messages are attached to it, whether it passed, failed or timed out, and
 * what it took counts for the coverage of the whole run.
 *
 * @example
 * ```ts
 * test('a request that is cancelled fails', ({ machines }) => {
 *   const request = createActor(requestMachine, { input, inspect: machines.inspect }).start();
 *   request.send({ type: 'request.cancel' });
 *   expect(request.getSnapshot().value).toBe('failed');
 * });
 * ```
 */
export const test: TestAPI<MachinesFixture> = withMachines(vitestTest);

/**
 * One recorder for all tests of a file, or of the `describe` in which it is called. Each test gets pictures as with
 * the fixture; `run()` is that of the test that runs, `coverage()` that of all so far. Of tests that run at the same
 * time nobody can tell which one did what.
 *
 * @throws {RangeError} when a bound is no whole number from 0 on
 * @example
 * ```ts
 * const machines = recordFile();
 * const start = () => createActor(requestMachine, { input, inspect: machines.inspect }).start();
 * ```
 */
export function recordFile(config: MachinesConfig = {}): Recorder {
  const whole = createRecorder({ ...config, firstEntries: 0, lastEntries: 0 });
  let current = createRecorder(config);
  beforeEach(() => {
    current = createRecorder(config);
  });
  afterEach(({ task, annotate }) => drawTest({ task, annotate }, current.run(), config));
  afterAll(withFile((file) => noteMachines(file, whole.run())));
  return {
    inspect(event) {
      whole.inspect(event);
      current.inspect(event);
    },
    inspectAs(labels) {
      const inspects = new WeakMap<Recorder, Recorder['inspect']>();
      return (event) => {
        whole.inspect(event);
        const inspect = inspects.get(current) ?? current.inspectAs(labels);
        inspects.set(current, inspect);
        inspect(event);
      };
    },
    coverage: (machine) => whole.coverage(machine),
    declare: (machine) => whole.declare(machine),
    run: () => current.run(),
  };
}

/**
 * Puts machines on the list of coverage although no test of this file may run them. Call it at the top of a file.
 *
 * @example
 * ```ts
 * declareMachines(requestMachine, inboundMachine);
 * ```
 */
export function declareMachines(...machines: readonly AnyStateMachine[]): void {
  const recorder = createRecorder();
  for (const machine of machines) recorder.declare(machine);
  beforeAll(withFile((file) => noteMachines(file, recorder.run())));
}

/** A hook that gets the file it is in: Vitest 4.0 hands a hook its suite first, later ones second. */
function withFile(hook: (file: FileTask) => void): () => void {
  return function hookOfSuite(): void {
    // Vitest reads the names of fixtures from the text of a hook's parameters, so it must have none.
    // oxlint-disable-next-line prefer-rest-params
    const suite = [...arguments].find((each) => each !== null && typeof each === 'object' && 'file' in each);
    if (suite !== undefined) hook((suite as { readonly file: FileTask }).file);
  };
}

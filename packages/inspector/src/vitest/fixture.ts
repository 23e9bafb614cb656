import { afterAll, afterEach, beforeAll, beforeEach, test as vitestTest, type TestAPI } from 'vitest';
import type { AnyStateMachine } from 'xstate';
import { createRecorder, type Recorder } from '../recorder.ts';
import { drawTest, noteMachines } from './drawTest.ts';

/** What a test gets. */
export interface MachinesFixture {
  /** A recorder of this test alone. Give its `inspect` to what the test runs. */
  readonly machines: Recorder;
}

/**
 * A `test` whose tests also get `machines`, beside the fixtures it has already. Fixtures of `base` are still there when
 * the pictures are drawn, so time that one of them has replaced is counted up to the end of the test.
 *
 * @example
 * ```ts
 * const test = withMachines(baseTest.extend('network', async () => createNetwork()));
 * ```
 */
export function withMachines<Context extends object>(
  base: TestAPI<Context>,
): TestAPI<Context & MachinesFixture> {
  const extended = (base as unknown as TestAPI).extend('machines', ({ task, annotate }, { onCleanup }) => {
    const recorder = createRecorder();
    onCleanup(async () => {
      const run = recorder.run();
      noteMachines(task.file, run);
      await drawTest({ task, annotate }, run);
    });
    return recorder;
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
 * @example
 * ```ts
 * const machines = recordFile();
 * const start = () => createActor(requestMachine, { input, inspect: machines.inspect }).start();
 * ```
 */
export function recordFile(): Recorder {
  const whole = createRecorder({ firstEntries: 0, lastEntries: 0 });
  let current = createRecorder();
  beforeEach(() => {
    current = createRecorder();
  });
  afterEach(({ task, annotate }) => drawTest({ task, annotate }, current.run()));
  // oxlint-disable-next-line no-empty-pattern -- Vitest reads the names of fixtures from it
  afterAll(({}, suite) => noteMachines(suite.file, whole.run()));
  return {
    inspect(event) {
      whole.inspect(event);
      current.inspect(event);
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
  // oxlint-disable-next-line no-empty-pattern -- Vitest reads the names of fixtures from it
  beforeAll(({}, suite) => {
    const recorder = createRecorder();
    for (const machine of machines) recorder.declare(machine);
    noteMachines(suite.file, recorder.run());
  });
}

/**
 * For Node's own test runner: a recorder of a test, whose page is written when the test is over.
 *
 * @packageDocumentation
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { hashOf } from './internal/hash.ts';
import { runPage } from './page.ts';
import { createRecorder, type Recorder } from './recorder.ts';
import type { MachinesConfig } from './testConfig.ts';

export type { MachinesConfig };

/** What is used of the context that Node gives to a test. */
export interface NodeTest {
  readonly name: string;
  readonly fullName?: string;
  readonly filePath?: string | undefined;
  /** Why it failed, once it has. */
  readonly error?: unknown;
  after(task: () => Promise<void>): void;
  diagnostic(message: string): void;
}

/** What a recorder of a test is told, and where its page goes. */
export interface NodeTestConfig extends MachinesConfig {
  /** Where pages are written, from the working directory. @default '.node-test/machines' */
  readonly folder?: string;
  /** Which tests get a page. @default 'all' */
  readonly pictures?: 'all' | 'failed' | 'none';
}

/**
 * A recorder of one test. When the test is over, whether it passed, failed or timed out, its page is written to a
 * folder, and the report says where. A page that cannot be written is told there, too, and fails nothing.
 *
 * @throws {RangeError} when a bound is no whole number from 0 on
 * @example
 * ```ts
 * test('a request that is cancelled fails', (t) => {
 *   const machines = recordTest(t);
 *   const request = createActor(requestMachine, { input, inspect: machines.inspect }).start();
 *   request.send({ type: 'request.cancel' });
 *   assert.equal(request.getSnapshot().value, 'failed');
 * });
 * ```
 */
export function recordTest(t: NodeTest, config: NodeTestConfig = {}): Recorder {
  const { folder = join('.node-test', 'machines'), pictures = 'all', ...machines } = config;
  const recorder = createRecorder(machines);
  t.after(async () => {
    const outcome = outcomeOf(t.error);
    const run = recorder.run();
    const isWanted = pictures === 'all' || (pictures === 'failed' && outcome !== 'passed');
    if (!isWanted || run.entries.length === 0) return;
    try {
      const page = await runPage(run, { ...machines, title: titleOf(t), subtitle: outcome, caller: 'test' });
      mkdirSync(folder, { recursive: true });
      const file = join(folder, pageName(t));
      writeFileSync(file, page);
      t.diagnostic(`Machines: ${file}`);
    } catch (error) {
      t.diagnostic(`The page of machines could not be written: ${String(error)}`);
    }
  });
  return recorder;
}

function outcomeOf(error: unknown): string {
  if (error === undefined || error === null) return 'passed';
  const { failureType } = error as { readonly failureType?: unknown };
  return failureType === 'testTimeoutFailure' ? 'timed out' : 'failed';
}

const titleOf = ({ fullName, name }: NodeTest): string => fullName ?? name;

/** The same for the same test, so that the next run replaces it. */
function pageName(t: NodeTest): string {
  const whole = `${relative('', t.filePath ?? '')} ${titleOf(t)}`.trim();
  return `${whole.replaceAll(/[^A-Za-z0-9]+/g, '-').slice(0, 100)}-${hashOf(whole).slice(0, 8)}.html`;
}

import { join } from 'node:path';
import type { RunnerTestFile } from 'vitest';
import type { MachineRun } from '../run.ts';

/** Which tests get pictures. */
export type MachinePictures = 'all' | 'failed' | 'none';

/** The page of one attempt of a test. */
export interface MachinePage {
  /** The name of its file. */
  readonly name: string;
  /** Counts the attempts from 1: a test that is retried or repeated has several. */
  readonly attempt: number;
  readonly hasFailed: boolean;
  /** How it ended, in words: `passed`, `failed` or `timed out`. */
  readonly outcome: string;
  /** Ids of the machines on it. */
  readonly machines: readonly string[];
}

declare module 'vitest' {
  interface ProvidedContext {
    /** Which tests get pictures of the machines they ran. @default 'all' */
    machinePictures: MachinePictures;
    /** The folder of pages and coverage; the reporter sets it. @default '.vitest/machines' in the project's root */
    machineFolder: string;
  }

  interface TaskMeta {
    /** Of a file: what its tests did with machines, all together. */
    machines?: Record<string, MachineRun>;
    /** Of a test: its pages, in the order of its attempts. */
    machinePages?: readonly MachinePage[];
  }
}

/** Where pages and coverage go, below the root. */
export const defaultFolder = join('.vitest', 'machines');

/** The part of a file's task that is used here. */
export type FileTask = Pick<RunnerTestFile, 'name' | 'filepath' | 'meta'>;

import { afterEach, beforeEach, expect, vi } from 'vitest';
import { VirtualClock } from '../src/clock.ts';
import type { SimkitErrorCode, SimkitError } from '../src/errors.ts';
import { seededRandom } from '../src/random.ts';
import { installVirtualTime } from '../src/virtualTime.ts';

/** When virtual time begins. */
export const startMs = Date.UTC(2026, 0, 1);

/** The clock of the test that runs, what it has noted, and how to end its virtual time. */
export let clock: VirtualClock;
export let seen: string[];
export let uninstall: () => void;

/** Begins virtual time. */
export function install(seed = 'test', config: { readonly maxNativeWaitMs?: number } = {}): void {
  clock = new VirtualClock();
  uninstall = installVirtualTime({ clock, random: seededRandom(seed), ...config });
}

/** Each test of a file that calls this lives in virtual time. */
export function inVirtualTime(): void {
  beforeEach(() => {
    seen = [];
    install();
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
    uninstall();
  });
}

/** What notes a text with its time, when it is called. */
export const note = (text: string) => (): void => void seen.push(`${clock.elapsed()} ${text}`);

/** What an act threw or was rejected with. */
export async function failure(act: () => unknown): Promise<unknown> {
  try {
    await act();
  } catch (error) {
    return error;
  }
  return undefined;
}

/** The message of the refusal that an act must meet. */
export async function expectRefusal(act: () => unknown, code: SimkitErrorCode): Promise<string> {
  const error = await failure(act);
  expect(error).toMatchObject({ name: 'SimkitError', code });
  return (error as SimkitError).message;
}

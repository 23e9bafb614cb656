import type { Child } from './child.ts';
import type { demo } from './plan.ts';
import type { Screen } from './screen.ts';

/** Where the programs of the demo are. */
export interface Programs {
  readonly lloom: string;
  readonly client: string;
  readonly application: string;
}

/** What the story is told with. */
export interface Stage {
  readonly screen: Screen;
  readonly programs: Programs;
  /** For files that end with the story. */
  readonly folder: string;
  /** Whether nodes shall have web views. */
  readonly hasViews: boolean;
  /** Ends the story when it aborts. */
  readonly signal: AbortSignal;
  /** Everybody who was started, for whoever cleans up. */
  readonly children: Child[];
}

/** An executor of the story. */
export interface Executor {
  readonly child: Child;
  readonly peerId: string;
  readonly evmAddress: string;
  /** Where its web view is; `undefined` unless there shall be some. */
  readonly viewUrl: string | undefined;
  readonly offer: (typeof demo.executors)[number];
}

/** Ends the story unless it shows what it must. */
export function check(isTrue: boolean, otherwise: string): asserts isTrue {
  if (!isTrue) throw new Error(`The demo does not show what it must: ${otherwise}`);
}

/** Ends the story unless an executor's own report of the request says the same. */
export async function checkReport({ child }: Executor, totalCost: string | undefined): Promise<void> {
  const report = await child.next('request');
  const isSame = report['outcome'] === 'answered' && report['totalCost'] === totalCost;
  check(isSame, 'the executor saw it differently');
}

/** A peer id that fits into a line. */
export const shorten = (peerId: string): string => `${peerId.slice(0, 5)}…${peerId.slice(-6)}`;

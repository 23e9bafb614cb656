import { stateOf, type StateSources } from '../internal/state.ts';
import type { NodeState } from '../types.ts';

/** What a node tells of itself as a whole. */
export interface StateSurface {
  /**
   * The node as it stands, as plain JSON: for looking at, and for reports of what went wrong. It takes some milliseconds, and
   * may be called at any time, also after the node was stopped. It holds no keys, tokens, paths or contents, but names peers,
   * addresses and models: see who reads it.
   *
   * @example
   * ```ts
   * await writeFile('state.json', JSON.stringify(node.exportState(), undefined, 2));
   * ```
   */
  exportState(): NodeState;
}

/** The call over one node. */
export const stateSurface = (sources: StateSources): StateSurface => ({
  exportState: () => stateOf(sources),
});

import { BaseSequencer } from 'vitest/node';

type Files = Parameters<BaseSequencer['sort']>[0];

/** Simulations first, what runs on sockets last. */
const rankOf = (path: string): number => (/\.sim\./.test(path) ? 0 : /\.e2e\./.test(path) ? 2 : 1);

/**
 * The order of Vitest, but for projects whose files share a worker: a node on real sockets leaves timers behind for seconds after its
 * stop, which would go off in the midst of a simulation and change what happens in it.
 */
export class SimulationsFirst extends BaseSequencer {
  override async sort(files: Files): Promise<Files> {
    // oxlint-disable-next-line no-array-sort -- it is none
    const sorted = await super.sort(files);
    const place = new Map(sorted.map((file, at) => [file, at]));
    return sorted.toSorted((a, b) => {
      const isShared = a.project === b.project && !a.project.config.isolate;
      const rank = isShared ? rankOf(a.moduleId) - rankOf(b.moduleId) : 0;
      return rank || place.get(a)! - place.get(b)!;
    });
  }
}

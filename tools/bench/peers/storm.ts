import { Part } from '../part.ts';
import type { Attacked } from './attackers.ts';
import type { Heard } from './honest.ts';
import type { StackName } from './node.ts';
import type { Left, Questions } from './part.ts';

const attackProcesses = 2;
/** 50 identities, 2,000 dials and 10,000 streams in all. */
const identities = 50;
const attack = { dialsEach: 40, streamsPerDial: 5 };

/** What a storm did. */
export interface Storm extends Attacked, Heard, Left {
  /** By how many bytes the process of the attacked node grew at most. */
  readonly rssGrowth: number;
  /** Within what the honest peer was answered but for one in a hundred questions, in ms. */
  readonly p99Ms: number;
  readonly ms: number;
}

/**
 * Attackers dial one node and open streams as fast as they can, while an honest peer asks it something every 10 ms.
 *
 * @param nodeArgs what Node is told in each process besides. @default what this one was told
 */
export async function storm(stack: StackName, nodeArgs?: readonly string[]): Promise<Storm> {
  const script = new URL('part.ts', import.meta.url);
  const begin = (): Part<Questions> => new Part(script, { nodeArgs });
  const [attacked, asking] = [begin(), begin()];
  const attacking = Array.from({ length: attackProcesses }, begin);
  try {
    const [target] = await attacked.ask('start', [{ stack }]);
    const { address } = target!;
    const armed = await Promise.all(attacking.map((part) => part.ask('arm', identities / attackProcesses)));
    await attacked.ask('brace', undefined);
    await asking.ask('speak', address);
    const start = performance.now();
    const attacks = await Promise.all(attacking.map((part) => part.ask('attack', { address, ...attack })));
    const ms = performance.now() - start;
    const heard = await asking.ask('heard', undefined);
    const rssGrowth = await attacked.ask('grown', undefined);
    await Promise.all(attacking.map((part) => part.kill()));
    const left = await attacked.ask('left', { attackers: armed.flat(), connections: 0 });
    const sum = (of: (done: Attacked) => number): number =>
      attacks.reduce((total, done) => total + of(done), 0);
    return {
      ...heard,
      ...left,
      dials: sum(({ dials }) => dials),
      connected: sum(({ connected }) => connected),
      streams: sum(({ streams }) => streams),
      opened: sum(({ opened }) => opened),
      p99Ms: heard.agesMs.toSorted((a, b) => a - b)[Math.floor(heard.agesMs.length * 0.99)] ?? Number.NaN,
      rssGrowth,
      ms,
    };
  } finally {
    await Promise.all([attacked, asking, ...attacking].map((part) => part.kill()));
  }
}

/**
 * Simulated networks as a fixture of Vitest: stopped with the test, explained when it fails.
 *
 * @packageDocumentation
 */
import { test as vitestTest, type TestAPI } from 'vitest';
import { beginTestNetwork } from './network.ts';
import type { Stoppable, TestNetwork, TestNetworkConfig } from './types.ts';

/** What the fixture adds to a test. */
export interface NetworkFixture {
  /**
   * Starts a network as `createTestNetwork` does. It is stopped when the test ends; when the test has failed, the
   * seed of its last network and the end of that trace are printed.
   */
  readonly createNetwork: <N extends Stoppable>(config: TestNetworkConfig<N>) => Promise<TestNetwork<N>>;
}

const shownLines = 25;

/**
 * A `test` whose tests also get `createNetwork`, beside the fixtures it has already. One that reads time when a test is
 * over, as the recorder of `@lloom/inspector` does, goes around this one, so that it is still virtual then.
 *
 * @example
 * ```ts
 * const test = withMachines(withNetworks(vitestTest));
 * ```
 */
export function withNetworks<Context extends object>(
  base: TestAPI<Context>,
): TestAPI<Context & NetworkFixture> {
  const extended = (base as unknown as TestAPI).extend('createNetwork', ({ task }, { onCleanup }) => {
    const networks: TestNetwork<Stoppable>[] = [];
    onCleanup(async () => {
      // One network lives at a time, so it is the last one that the test has failed in.
      const last = networks.at(-1);
      if (last !== undefined && task.result?.state === 'fail') process.stderr.write(explain(task.name, last));
      // One that the test has stopped itself has told the test how that ended.
      for (const network of networks) if (!network.isStopped) await network.stop();
    });
    const createNetwork: NetworkFixture['createNetwork'] = async (config) => {
      const { network, started } = beginTestNetwork(config);
      // A test may time out while its network is started.
      networks.push(network);
      return started;
    };
    return createNetwork;
  });
  return extended as unknown as TestAPI<Context & NetworkFixture>;
}

/**
 * Vitest's `test` with {@link NetworkFixture}.
 *
 * @example
 * ```ts
 * test('two nodes hear each other', async ({ createNetwork }) => {
 *   const network = await createNetwork({ nodes: 2, link: { delayMs: 50 }, createNode });
 *   await network.runUntil(() => network.node('n0').getPeers().length === 1);
 * });
 * ```
 */
export const test: TestAPI<NetworkFixture> = withNetworks(vitestTest);

function explain(name: string, { seed, trace, clock }: TestNetwork<Stoppable>): string {
  const seconds = (clock.elapsed() / 1_000).toFixed(3);
  return [
    `\n"${name}" failed with seed ${seed}, after ${seconds} s of virtual time and ${trace.length} events. The last:`,
    ...trace.tail(shownLines).map((line) => `  ${line}`),
    '',
    '',
  ].join('\n');
}

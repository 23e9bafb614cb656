import { expect, test } from 'vitest';
import { loadScenario, runScenario, scenarioNames, type ScenarioRunConfig } from '../src/index.ts';

const seeds = 20;

/** What did not hold, with the seed that shows it again. */
async function broken(
  name: string,
  config: ScenarioRunConfig & { readonly seed: number },
): Promise<string[]> {
  const { properties } = await runScenario(await loadScenario(name), config);
  return properties
    .filter(({ holds }) => !holds)
    .map(({ what, detail }) => `seed ${config.seed}: ${what}: ${detail}`);
}

test.each(scenarioNames())('what %s promises holds with 20 seeds', async (name) => {
  const lines: string[] = [];
  for (let seed = 1; seed <= seeds; seed += 1) lines.push(...(await broken(name, { seed })));
  expect(lines).toEqual([]);
});

test.each([1, 2, 3, 4, 5])('ten nodes on either side come together again: seed %i', async (seed) => {
  expect(await broken('partition', { seed, numNodes: 20 })).toEqual([]);
});

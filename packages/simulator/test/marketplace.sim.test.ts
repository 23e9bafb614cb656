import { expect, test } from 'vitest';
import { loadScenario, runScenario, scenarioNames } from '../src/index.ts';

// Each with its own seed; marketplace.sim.long.test.ts runs all of them with many, and conformance.sim.test.ts the nodes of
// `discovery`.
test.each(scenarioNames().filter((name) => name !== 'discovery'))(
  'what %s promises to users holds',
  async (name) => {
    const { properties } = await runScenario(await loadScenario(name));
    const broken = properties.filter(({ holds }) => !holds);
    expect(broken.map(({ what, detail }) => `${what}: ${detail}`)).toEqual([]);
  },
);

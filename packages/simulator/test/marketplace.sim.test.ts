import { expect, test } from 'vitest';
import { loadScenario, runScenario, scenarioNames } from '../src/index.ts';

// Each with its own seed; marketplace.sim.long.test.ts runs them with many.
test.each(scenarioNames())('what %s promises to users holds', async (name) => {
  const { properties } = await runScenario(await loadScenario(name));
  const broken = properties.filter(({ holds }) => !holds);
  expect(broken.map(({ what, detail }) => `${what}: ${detail}`)).toEqual([]);
});

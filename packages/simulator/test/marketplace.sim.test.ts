import { expect, test } from 'vitest';
import { loadScenario, runScenario, scenarioNames } from '../src/index.ts';

// Each with its own seed; marketplace.sim.long.test.ts runs all of them with many. conformance.sim.test.ts has the nodes of
// `discovery`, and overload2x.sim.test.ts of rpc what is dear to compute in `flash-crowd`.
const elsewhere = new Set(['discovery', 'flash-crowd']);

test.each(scenarioNames().filter((name) => !elsewhere.has(name)))(
  'what %s promises to users holds',
  async (name) => {
    const { properties } = await runScenario(await loadScenario(name));
    const broken = properties.filter(({ holds }) => !holds);
    expect(broken.map(({ what, detail }) => `${what}: ${detail}`)).toEqual([]);
  },
);

// A scenario as a test: plain data, checked by its type and by its schema.
import assert from 'node:assert/strict';
import { runScenario, type Scenario } from '@lloom/simulator';

const scenario: Scenario = {
  version: 1,
  name: 'quiet-evening',
  description: 'One executor, one client.',
  durationMs: 20_000,
  nodes: [
    { role: 'executor', group: 'executor', count: 1 },
    { role: 'client', group: 'client', count: 1 },
  ],
  load: [{ requestsPerSecond: 1, fromMs: 5_000, untilMs: 15_000 }],
  properties: [
    { what: 'All are answered', when: 'finally', measure: 'answeredShare', atLeast: 1, minCount: 5 },
  ],
};
const { properties } = await runScenario(scenario, { seed: 7 });
for (const { what, holds, detail } of properties) assert.ok(holds, `${what}: ${detail}`);

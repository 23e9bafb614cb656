// One of the runs of `marketplaces.ts` in a process of its own. Prints what it measured as one line of JSON.
import { crowd, specificationOnce, specificationSeeds, type MarketplaceRun } from './marketplaces.ts';

const runs: Readonly<Record<string, (count: number) => Promise<MarketplaceRun>>> = {
  crowd,
  specification: specificationOnce,
  seeds: specificationSeeds,
};

const [name = '', count = '0'] = process.argv.slice(2);
const run = runs[name];
if (run === undefined) throw new Error(`There is no run "${name}"`);
process.stdout.write(`${JSON.stringify(await run(Number(count)))}\n`);

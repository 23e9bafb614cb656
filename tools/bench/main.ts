// npm run bench -- <suite> [--json FILE]: measures against a peer in the same run and prints the ratios.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { discoverySuite } from './discovery.ts';
import { gossipSuite } from './gossip.ts';
import { inspectorSuite } from './inspector.ts';
import { metricsSuite } from './metrics.ts';
import { natSuite } from './nat.ts';
import { nodeSuite } from './node.ts';
import { peersSuite } from './peers.ts';
import { printTable, type Row } from './report.ts';
import { rpcSuite } from './rpc.ts';
import { simulatorSuite } from './simulator.ts';

const suites: Readonly<Record<string, () => Promise<Row[]>>> = {
  discovery: discoverySuite,
  gossip: gossipSuite,
  inspector: inspectorSuite,
  metrics: metricsSuite,
  nat: natSuite,
  node: nodeSuite,
  peers: peersSuite,
  rpc: rpcSuite,
  simulator: simulatorSuite,
};

const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: 'string' } } });
const [name = ''] = positionals;
const suite = Object.hasOwn(suites, name) ? suites[name] : undefined;
if (suite === undefined) {
  process.stderr.write(
    `Usage: npm run bench -- <suite> [--json FILE]\nSuites: ${Object.keys(suites).join(', ')}\n`,
  );
  process.exitCode = 2;
} else {
  const rows = await suite();
  printTable(rows);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
}

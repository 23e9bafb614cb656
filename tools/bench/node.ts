import { gatewayRows } from './node/gateway.ts';
import { memoryRows } from './node/memory.ts';
import { sizeRows } from './node/sizes.ts';
import { startRows } from './node/start.ts';
import type { Row } from './report.ts';

/** What a node is to whoever uses it: how soon it answers, what it takes, how large it is, and the gateway before it. */
export async function nodeSuite(): Promise<Row[]> {
  return [...(await startRows()), ...(await memoryRows()), ...(await gatewayRows()), ...(await sizeRows())];
}

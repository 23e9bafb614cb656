import type { Row } from './report.ts';
import { failoverRows, overloadRows } from './rpc/failureRows.ts';
import { machineRows } from './rpc/machineCost.ts';
import { bodyRows, cryptoRows, pingRows, signedRows, tokenRows, unaryRows } from './rpc/networkRows.ts';
import { signatureRows } from './rpc/signatures.ts';

const parts: readonly (() => Row[] | Promise<Row[]>)[] = [
  unaryRows,
  signedRows,
  cryptoRows,
  overloadRows,
  failoverRows,
  tokenRows,
  bodyRows,
  pingRows,
  signatureRows,
  machineRows,
];

/**
 * The rpc service against its peers, client and server in separate processes on loopback: see `rpc/stack.ts` for what a
 * peer is, and `rpc/stacks.ts` for all of them. A part that fails is reported, and the others still run.
 */
export async function rpcSuite(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const part of parts) {
    try {
      rows.push(...(await part()));
    } catch (error) {
      process.exitCode = 1;
      process.stderr.write(`${part.name} failed: ${error instanceof Error ? error.stack : String(error)}\n`);
    }
  }
  return rows;
}

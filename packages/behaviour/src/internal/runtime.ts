import { BehaviourError } from '../errors.ts';

const oldestMajor = 22;

/**
 * Checks that this Node.js can run a node: libp2p 3 needs `Promise.withResolvers`.
 * @throws {BehaviourError} `UNSUPPORTED_RUNTIME`
 */
export function checkRuntime(version: string): void {
  if (Number.parseInt(version, 10) >= oldestMajor) return;
  throw new BehaviourError('UNSUPPORTED_RUNTIME', { got: version, wanted: `${oldestMajor} or newer` });
}

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes in buffers that somebody holds: what the tests before left behind is not counted. */
export function heldBufferBytes(): number {
  // Contents are given back beside the program; the next collection waits for the one before.
  for (let times = 0; times < 3; times++) collect();
  return process.memoryUsage().arrayBuffers;
}

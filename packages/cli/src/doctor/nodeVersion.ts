import { fail, ok, warn, type Judgement } from './finding.ts';

/** The least major version of Node.js that can run a node. */
export const leastVersion = 22;
/** The major version of Node.js that is advised. */
export const goodVersion = 24;

/** The major version in `24.1.0` or `v24.1.0`; `NaN` where there is none. */
const majorOf = (version: string): number => Number(version.replace(/^v/, '').split('.')[0]);

/** Whether that Node.js cannot run a node. */
export const isTooOld = (version: string): boolean => !(majorOf(version) >= leastVersion);

/** Whether this Node.js can run a node, and for how long. */
export function judgeNodeVersion(version: string): Judgement {
  const install = `Install Node.js ${goodVersion}.`;
  if (isTooOld(version)) return fail(`Node.js ${version} is too old, ${leastVersion} is the least`, install);
  // Odd ones get fixes for half a year only.
  if (majorOf(version) % 2 === 1) return warn(`Node.js ${version} is no long-term release`, install);
  return ok(`Node.js ${version}`);
}

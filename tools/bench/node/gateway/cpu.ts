import { readFileSync } from 'node:fs';

/** What Linux counts in, whatever the machine: a hundredth of a second. */
const tickUs = 10_000;

/** CPU time that some processes have used so far, in microseconds; NaN where the system does not tell it in files. */
export function cpuUsOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + cpuUs(pid), 0);
}

function cpuUs(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name of the program, in brackets, may have blanks.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * tickUs;
  } catch {
    return Number.NaN;
  }
}

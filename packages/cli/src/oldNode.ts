// Loaded by any Node: neither this nor what it loads may take a package, or what only a new one has.
import { count, linesOf, summaryOf, type Finding } from './doctor/finding.ts';
import { goodVersion, judgeNodeVersion, leastVersion } from './doctor/nodeVersion.ts';
import { Output, type Sink } from './output.ts';

/** The program as whoever started it sees it; `process` is one. */
export interface OldNodeConfig {
  readonly versions: { readonly node: string };
  /** As Node.js gives it: two paths come first. */
  readonly argv: readonly string[];
  readonly stdout: Sink;
  readonly stderr: Sink;
}

/** Tells that this Node.js is too old: `lloom doctor` as a check that failed, the only one it can make; all others as an error. */
export function tellOldNode({ versions, argv, stdout, stderr }: OldNodeConfig): void {
  const [command, ...args] = argv.slice(2);
  const output = new Output({ stdout, stderr, json: args.includes('--json'), quiet: false });
  if (command === 'doctor') {
    const finding: Finding = { check: 'node', ...judgeNodeVersion(versions.node) };
    const counts = count([finding]);
    output.event('check', finding, linesOf(finding));
    output.event('summary', { ...counts, ms: 0 }, ['', summaryOf(counts)]);
    return;
  }
  output.error({
    name: 'CliError',
    code: 'NODE_TOO_OLD',
    message: `Cannot run on Node ${versions.node}: ${leastVersion} is the least`,
    data: {},
    retryable: false,
    hint: `Install Node ${goodVersion}, or start it inside the repository with: npm run lloom -- ARGUMENTS`,
  });
}

import type { Command } from 'commander';
import type { DoctorOptions } from '../doctor/examine.ts';
import { withNodeOptions } from '../options.ts';
import type { Run } from '../program.ts';

const help = `
Starts a node for a moment, which offers nothing and keeps nothing, and looks
with it at the network that the options name. Give it the options of your node.
While that one runs leave out --listen, whose port it has, and --identity. With
--data it is seen that a node runs, and --identity does no harm.

Each line begins with ok, warn, fail or skip; -> says what to do. The exit code
is 1 when something failed, and 0 otherwise.

Examples:
  $ lloom doctor --bootstrap ADDRESS
  $ lloom doctor --bootstrap ADDRESS --network public \\
      --listen /ip4/0.0.0.0/tcp/4001 --identity node.json --data node-data
  $ lloom doctor --bootstrap ADDRESS --json --timeout 10s
`;

/** Adds `lloom doctor`. */
export function addDoctorCommand(program: Command, run: Run): void {
  const command = program
    .command('doctor')
    .description('tell what is wrong with this machine and its network')
    .addHelpText('after', help);
  withNodeOptions(command, 'doctor').action(
    run<DoctorOptions>(async (options, session) => {
      const { examine } = await import('../doctor/examine.ts');
      return examine(options, session);
    }),
  );
}

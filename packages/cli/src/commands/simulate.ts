import { Option, type Command } from 'commander';
import { durationMs } from '../amounts.ts';
import { wholeNumber, withOutputOptions } from '../options.ts';
import type { Run } from '../program.ts';
import type { SimulateOptions } from '../simulate/simulate.ts';

const help = `
Runs a whole marketplace on this machine, in virtual time and without a network:
an hour takes seconds, and the same seed gives the same run again. Asks at the
end what the scenario wants to hold. The summary goes to stdout, progress to
stderr; --report is a page for the browser that needs nothing else.

The exit code is 1 when something did not hold. Ctrl-C ends the run early; what
has happened until then is reported, and what is left open is not decided.

Examples:
  $ lloom simulate --list
  $ lloom simulate --scenario price-war --report report.html
  $ lloom simulate --scenario partition --seed 7 --duration 5m
  $ lloom simulate --scenario ./mine.json --seeds 20
  $ lloom simulate --scenario flash-crowd --nodes 1000 --fidelity model
`;

const maxSeed = Number.MAX_SAFE_INTEGER;

/** Adds `lloom simulate`. */
export function addSimulateCommand(program: Command, run: Run): void {
  const command = program
    .command('simulate')
    .description('run a whole marketplace in virtual time, and say whether it does what it must')
    .option('--scenario <name>', 'which one: a name that --list shows, or a JSON file')
    .option('--list', 'show the scenarios that come along')
    .option(
      '--nodes <number>',
      'how many nodes in all; groups keep their shares (default: as the scenario says)',
      wholeNumber(1, 10_000),
    )
    .option(
      '--seed <number>',
      'what all chance follows from (default: that of the scenario)',
      wholeNumber(0, maxSeed),
    )
    .option(
      '--seeds <number>',
      'run it with so many seeds, from --seed on, and stop at the first that fails',
      wholeNumber(1, 1_000_000),
    )
    .option('--duration <time>', 'in virtual time, such as 60s or 5m (default: as it says)', durationMs)
    .addOption(
      new Option('--fidelity <name>', 'how much of a node runs (default: as it says)').choices([
        'full',
        'wire',
        'fast',
        'model',
      ]),
    )
    .option('--report <file>', 'write an HTML page; replaces the file')
    .option('--trace <file>', 'write all that happened, a line each; replaces the file')
    .addHelpText('after', help);
  withOutputOptions(command).action(
    run<SimulateOptions>(async (options, session) => {
      const { simulate } = await import('../simulate/simulate.ts');
      return simulate(options, session);
    }),
  );
}

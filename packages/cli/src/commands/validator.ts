import type { Command } from 'commander';
import { wei } from '../amounts.ts';
import { withNodeOptions } from '../options.ts';
import type { Run } from '../program.ts';
import type { ValidatorOptions } from '../validate.ts';

const help = `
The first validator of a network needs no --bootstrap: the others join through
the address that it prints.

Examples:
  $ lloom validator
  $ lloom validator --listen /ip4/127.0.0.1/tcp/4001 --identity validator.json
`;

/** Adds `lloom validator`. */
export function addValidatorCommand(program: Command, run: Run): void {
  const command = program
    .command('validator')
    .description('run a validator: a peer that others join through')
    .option('--stake <wei>', 'what it says to have staked', wei, '0')
    .addHelpText('after', help);
  withNodeOptions(command, 'server').action(
    run<ValidatorOptions>(async (options, session) => {
      const { validate } = await import('../validate.ts');
      return validate(options, session);
    }),
  );
}

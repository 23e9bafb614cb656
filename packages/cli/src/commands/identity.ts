import type { Command } from 'commander';
import type { IdentityOptions, NewIdentityOptions } from '../keys.ts';
import { withOutputOptions, withPassphraseOptions } from '../options.ts';
import type { Run } from '../program.ts';

const defaultFile = 'lloom-identity.json';

/** Adds `lloom identity`. */
export function addIdentityCommands(program: Command, run: Run): void {
  const group = program
    .command('identity')
    .description('make and show keys: one is a peer id and an EVM address');
  const create = group
    .command('new')
    .description('write a new key to a file that only you can read')
    .option('--file <file>', 'where to write it; never overwrites', defaultFile)
    .option('--encrypt', 'encrypt it, as Web3 Secret Storage that wallets can read')
    .addHelpText('after', examples('new --file executor.json', 'new --file executor.json --encrypt'));
  withOutputOptions(withPassphraseOptions(create)).action(
    run<NewIdentityOptions>(async (options, session) => {
      const { createIdentity } = await import('../keys.ts');
      return createIdentity(options, session);
    }),
  );
  const show = group
    .command('show')
    .description('show the names of a key, never the key')
    .option('--file <file>', 'the key', defaultFile)
    .addHelpText('after', examples('show', 'show --file executor.json --json'));
  withOutputOptions(withPassphraseOptions(show)).action(
    run<IdentityOptions>(async (options, session) => {
      const { showIdentity } = await import('../keys.ts');
      return showIdentity(options, session);
    }),
  );
}

const examples = (...lines: string[]): string =>
  `\nExamples:\n${lines.map((line) => `  $ lloom identity ${line}\n`).join('')}`;

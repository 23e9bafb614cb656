import { Option, type Command } from 'commander';
import type { AskOptions } from '../ask.ts';
import { usageError } from '../errors.ts';
import { wei } from '../amounts.ts';
import { collect, decimal, wholeNumber, withNodeOptions } from '../options.ts';
import type { Run } from '../program.ts';

const help = `
The providers of the model are found through the bootstrap peer. The cheapest is
asked, by its prices for this question and an answer of --max-tokens, or of 256.
When it fails, another one goes on where the answer broke off. Nothing is owed
for text that is not signed.
The answer goes to stdout as it arrives, everything else to stderr.

Examples:
  $ lloom client ask "What is a DHT?" --model demo-small --bootstrap ADDRESS
  $ lloom client ask - --model demo-small --bootstrap ADDRESS < question.txt
  $ lloom client ask "Hello" --model demo-small --bootstrap ADDRESS --json \\
      --max-price 1000000000000
`;

/** Adds `lloom client`. */
export function addClientCommands(program: Command, run: Run): void {
  const group = program.command('client').description('use the network');
  const ask = group
    .command('ask')
    .description('ask a model and show its answer as it arrives')
    .argument('<prompt>', 'the question; - reads it from stdin')
    .addOption(new Option('--model <name>', 'the model to ask').makeOptionMandatory())
    .option('--max-price <wei>', 'the most that the whole answer may cost', wei)
    .option('--system <text>', 'instructions for the model')
    .option('--max-tokens <number>', 'the most tokens of the answer', wholeNumber(1))
    .option('--attempts <number>', 'how often it is sent at most, to whomever', wholeNumber(1, 100), 3)
    .option('--no-failover', 'ask the same provider again, never another one')
    .option('--temperature <number>', 'how freely the model chooses', decimal)
    .option('--seed <number>', 'asks for the same answer each time', wholeNumber(0))
    .addOption(
      new Option('--stop <text>', 'ends the answer where it appears; repeatable').argParser(collect(String)),
    )
    .addHelpText('after', help);
  withNodeOptions(ask, 'client').action((prompt: string, options: AskOptions, command: Command) =>
    run<AskOptions>(async (given, session) => {
      if (given.bootstrap.length === 0) {
        const suggestion = 'Add --bootstrap and the address that a running node prints.';
        throw usageError('Cannot find a provider without a peer to ask', suggestion);
      }
      const { askModel } = await import('../ask.ts');
      return askModel({ prompt, options: given }, session);
    })(options, command),
  );
}

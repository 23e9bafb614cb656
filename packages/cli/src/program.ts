import { Command, type CommanderError } from 'commander';
import { addClientCommands } from './commands/client.ts';
import { addDoctorCommand } from './commands/doctor.ts';
import { addExecutorCommand } from './commands/executor.ts';
import { addGatewayCommand } from './commands/gateway.ts';
import { addIdentityCommands } from './commands/identity.ts';
import { addSimulateCommand } from './commands/simulate.ts';
import { addValidatorCommand } from './commands/validator.ts';
import { exitCodes, usageError, type CliError } from './errors.ts';
import type { Interruption } from './interruption.ts';
import type { OutputOptions } from './options.ts';
import { Output } from './output.ts';
import type { Session } from './session.ts';
import { version } from './version.ts';

/** What a command does; gives its exit code when that is not 0. */
export type Action<O> = (options: O, session: Session) => Promise<number | void>;

/** Makes an action one that commander can call. */
export type Run = <O extends OutputOptions>(
  action: Action<O>,
) => (options: O, command: Command) => Promise<void>;

/** What the program leaves behind: how it writes, and what it ends with. */
export interface Outcome {
  output: Output;
  exitCode: number;
}

const help = `
A network in three terminals; the first prints the ADDRESS for the other two:
  $ lloom validator
  $ lloom executor --bootstrap ADDRESS --model demo-small \\
      --inbound-price 1000000000 --outbound-price 2000000000
  $ lloom client ask "What is a DHT?" --bootstrap ADDRESS --model demo-small
This lets programs that speak the API of OpenAI use the network:
  $ lloom gateway --bootstrap ADDRESS
This tells what is wrong when something does not work, and what to do:
  $ lloom doctor --bootstrap ADDRESS
This shows a whole marketplace in virtual time, with faults on command:
  $ lloom simulate --list

Exit codes:
  0 done, 1 failed, 2 not understood, 130 interrupted (Ctrl-C), 143 terminated

Variables:
  LLOOM_PASSPHRASE  passphrase of an encrypted identity
  OPENAI_API_KEY    key for the backend "openai"
  LLOOM_DEBUG=1     show where an unexpected error happened
`;

/** The whole command line. */
export function createProgram(interruption: Interruption, outcome: Outcome): Command {
  const run: Run = (action) => async (options) => {
    const { json = false, quiet = false } = options;
    outcome.output = new Output({ stdout: process.stdout, stderr: process.stderr, json, quiet });
    outcome.exitCode = (await action(options, { output: outcome.output, interruption })) ?? exitCodes.ok;
  };
  const program = new Command('lloom')
    .description('The peer-to-peer network of an LLM marketplace')
    .version(version)
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void process.stdout.write(text),
      writeErr: (text) => void process.stderr.write(text),
      // Told by whoever catches the error, in the form of all others.
      outputError: () => undefined,
    })
    .addHelpText('after', help);
  addValidatorCommand(program, run);
  addExecutorCommand(program, run);
  addClientCommands(program, run);
  addGatewayCommand(program, run);
  addIdentityCommands(program, run);
  addDoctorCommand(program, run);
  addSimulateCommand(program, run);
  return program;
}

/** What commander found wrong, as an error of this package. */
export function fromCommander(error: CommanderError): CliError {
  const message = error.code === 'commander.help' ? 'There is no command' : error.message;
  const [first = '', ...rest] = message.replace(/^error: /, '').split('\n');
  const suggestion = rest.join(' ').replaceAll(/^\(|\)$/g, '');
  return usageError(`${first.charAt(0).toUpperCase()}${first.slice(1)}`, suggestion);
}

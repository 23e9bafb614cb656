import { CommanderError } from 'commander';
import { CliError, describeError, exitCodeOf, exitCodes } from './errors.ts';
import { Interruption } from './interruption.ts';
import { exit, Output } from './output.ts';
import { createProgram, fromCommander, type Outcome } from './program.ts';

/** Runs the command, and ends the process. */
export async function main(args: readonly string[]): Promise<void> {
  const interruption = new Interruption().watch();
  // Until the options are read, the form of an error follows what was probably meant.
  const json = args.includes('--json');
  const output = new Output({ stdout: process.stdout, stderr: process.stderr, json, quiet: false });
  const outcome: Outcome = { output, exitCode: exitCodes.ok };
  const end = (thrown: unknown): void => exit(tell(thrown, { outcome, interruption, json }));
  // What escapes from a library ends the command like any other failure.
  process.once('uncaughtException', end);
  try {
    await createProgram(interruption, outcome).parseAsync([...args], { from: 'user' });
    exit(outcome.exitCode);
  } catch (thrown) {
    end(thrown);
  }
}

interface Run {
  readonly outcome: Outcome;
  readonly interruption: Interruption;
  readonly json: boolean;
}

/** Shows what went wrong, in the form that was asked for; gives the exit code. */
function tell(thrown: unknown, { outcome, interruption, json }: Run): number {
  // Whoever read the output is gone, or has read the help.
  if (interruption.reason === 'output closed') return exitCodes.ok;
  if (thrown instanceof CommanderError && isHelp(thrown, json)) {
    return thrown.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  }
  const error = errorOf(thrown, interruption);
  outcome.output.error(describeError(error));
  if (process.env['LLOOM_DEBUG'] !== undefined) process.stderr.write(`${stackOf(error)}\n`);
  return exitCodeOf(error);
}

/** Help and version are shown already. Programs are told what is wrong when a command is missing, instead of the help. */
function isHelp({ code, exitCode }: CommanderError, json: boolean): boolean {
  return exitCode === 0 || (code === 'commander.help' && !json);
}

/** What is shown of anything that was thrown: after a signal, that it came, whatever broke because of it. */
function errorOf(thrown: unknown, { reason }: Interruption): unknown {
  if (thrown instanceof CommanderError) return fromCommander(thrown);
  return reason === undefined ? thrown : new CliError('INTERRUPTED', { signal: reason }, { cause: thrown });
}

function stackOf(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined || CliError.is(error, 'USAGE') ? stack : `${stack}\ncaused by ${stackOf(cause)}`;
}

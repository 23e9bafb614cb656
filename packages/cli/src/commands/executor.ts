import { Option, type Command } from 'commander';
import { chooseBackend } from '../backendOptions.ts';
import { durationMs, wei } from '../amounts.ts';
import { collect, rateLimit, wholeNumber, withNodeOptions } from '../options.ts';
import type { Run } from '../program.ts';
import type { ExecutorOptions } from '../serveModels.ts';

const help = `
The backend "offline" needs nothing: it answers with a text that it computes
from the request. The backend "openai" asks any server with the chat completions
API of OpenAI; its key, when it wants one, comes from the environment.

Examples:
  $ lloom executor --bootstrap ADDRESS --model demo-small \\
      --inbound-price 1000000000 --outbound-price 2000000000
  $ lloom executor --bootstrap ADDRESS --model llama-3 --backend openai \\
      --base-url http://127.0.0.1:11434/v1 --upstream-model llama3:8b \\
      --inbound-price 0 --outbound-price 0
`;

/** Adds `lloom executor`. */
export function addExecutorCommand(program: Command, run: Run): void {
  const command = program
    .command('executor')
    .description('serve models to the network')
    .addOption(
      new Option('--model <name...>', 'name of a model on the network; repeatable')
        .argParser(collect(String))
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--inbound-price <wei>', 'price of a token of the question')
        .argParser(wei)
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--outbound-price <wei>', 'price of a token of the answer')
        .argParser(wei)
        .makeOptionMandatory(),
    )
    .option('--capacity <number>', 'how many requests at the same time', wholeNumber(1, 50_000), 4)
    .option('--queue <number>', 'how many more may wait; others are told BUSY', wholeNumber(0, 50_000), 8)
    .option('--rate-limit <requests/time>', 'how often one peer may ask, such as 60/1m', rateLimit)
    .addOption(
      new Option('--backend <name>', 'what produces the text')
        .choices(['offline', 'openai'])
        .default('offline'),
    )
    .option('--base-url <url>', 'openai: where the API begins, such as http://127.0.0.1:11434/v1')
    .addOption(
      new Option(
        '--upstream-model <name...>',
        'openai: what the server calls the model, one for each --model',
      ).argParser(collect(String)),
    )
    .option('--api-key-env <name>', 'openai: variable that holds the key (default: OPENAI_API_KEY)')
    .addOption(
      new Option(
        '--continuation <how>',
        'openai: how the server goes on behind an answer that another executor began (default: none)',
      ).choices(['none', 'prefill', 'vllm']),
    )
    .option('--pace <time>', 'offline: wait before each token, such as 15ms; 0 for none', paceMs)
    .addHelpText('after', help);
  withNodeOptions(command, 'server').action(
    run<ExecutorOptions>(async (options, session) => {
      // What is wrong with the options is told before the network is loaded.
      const choice = chooseBackend(options);
      const { serveModels } = await import('../serveModels.ts');
      return serveModels(options, choice, session);
    }),
  );
}

const paceMs = (value: string): number => (value === '0' ? 0 : durationMs(value));

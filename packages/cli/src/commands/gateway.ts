import { Option, type Command } from 'commander';
import { durationMs, wei } from '../amounts.ts';
import { usageError } from '../errors.ts';
import { policies } from '../gateway/policies.ts';
import type { GatewayOptions } from '../gateway/runGateway.ts';
import { port } from '../observingOptions.ts';
import { collect, wholeNumber, withNodeOptions } from '../options.ts';
import type { Run } from '../program.ts';

const help = `
Programs that speak the API of OpenAI find the network at the URL that it prints,
with the key in --api-key-file. They may send these headers:
  x-lloom-max-price: WEI    the most that the answer may cost
  x-lloom-policy: NAME      what counts when a provider is chosen
  x-lloom-timeout: 30s      how long the request may take
  Idempotency-Key: TEXT     a request that is sent again with it is not run, and paid, twice

Examples:
  $ lloom gateway --bootstrap ADDRESS
  $ export OPENAI_BASE_URL=http://127.0.0.1:8787/v1
  $ export OPENAI_API_KEY=$(cat lloom-gateway-key)
  $ curl $OPENAI_BASE_URL/chat/completions -H "Authorization: Bearer $OPENAI_API_KEY" \\
      -d '{"model": "demo-small", "messages": [{"role": "user", "content": "Hello"}]}'
`;

/** Where the key is that programs must show, unless another file is named. */
const defaultKeyFile = 'lloom-gateway-key';

/** Adds `lloom gateway`. */
export function addGatewayCommand(program: Command, run: Run): void {
  const command = program
    .command('gateway')
    .description('offer the API of OpenAI to programs on this machine')
    .addOption(
      new Option('--port <port>', 'where to listen; 0 for any free port').argParser(port).default(8_787),
    )
    .addOption(
      new Option(
        '--api-key-file <file>',
        'its first line is the key to show; made when it is missing',
      ).default(defaultKeyFile),
    )
    .addOption(
      new Option('--policy <name>', 'what counts when a provider is chosen')
        .choices(policies)
        .default('balanced'),
    )
    .option('--max-price <wei>', 'the most that one answer may cost; requests may lower it', wei)
    .option('--attempts <number>', 'how often a request is sent at most, to whomever', wholeNumber(1, 100), 3)
    .option('--hedge <time>', 'after which another provider is asked as well, such as 2s', durationMs)
    .addOption(
      new Option('--host <address>', 'where to listen; others reach it only with --allowed-host').default(
        '127.0.0.1',
      ),
    )
    .addOption(
      new Option('--allowed-host <name...>', 'name under which others reach it; repeatable')
        .argParser(collect(String))
        .default([], 'none'),
    )
    .addOption(
      new Option('--allowed-origin <origin...>', 'origin of pages that may call it; repeatable')
        .argParser(collect(String))
        .default([], 'none'),
    )
    .addHelpText('after', help);
  withNodeOptions(command, 'gateway').action(
    run<GatewayOptions>(async (options, session) => {
      if (options.bootstrap.length === 0) {
        const suggestion = 'Add --bootstrap and the address that a running node prints.';
        throw usageError('Cannot find a provider without a peer to ask', suggestion);
      }
      const { runGateway } = await import('../gateway/runGateway.ts');
      return runGateway(options, session);
    }),
  );
}

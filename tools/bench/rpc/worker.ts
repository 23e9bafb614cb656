// One end of one stack, in a process of its own: `worker.ts <stack> [address]`. Does what its parent asks.
import { runLoad, type Done, type Load } from './load.ts';
import { runOpenLoad, type OpenDone, type OpenLoad } from './openLoad.ts';
import { Missing, type Blocked, type Client, type FailoverRound, type Server } from './stack.ts';
import { stacks, type StackName } from './stacks.ts';

/** What a process used so far. */
export interface Usage {
  readonly cpuUs: number;
  readonly rssBytes: number;
  /** The most that it ever had. */
  readonly peakRssBytes: number;
}

/** What a parent asks. */
export interface Questions {
  readonly load: { readonly asked: Load; readonly told: Done };
  readonly open: { readonly asked: OpenLoad; readonly told: OpenDone };
  readonly failOver: { readonly asked: FailoverRound; readonly told: number };
  readonly blocked: { readonly asked: undefined; readonly told: Blocked };
  readonly usage: { readonly asked: undefined; readonly told: Usage };
  readonly stop: { readonly asked: undefined; readonly told: undefined };
}

/** What a worker says: once by itself, when it is ready, then one answer to each question. */
export type Saying = { readonly told: unknown } | { readonly missing: string } | { readonly failed: string };

const [name, address] = process.argv.slice(2);
const stack = await stacks[name as StackName]();
let end: Server | Client;

function usage(): Usage {
  const { user, system } = process.cpuUsage();
  const peakRssBytes = process.resourceUsage().maxRSS * 1_024;
  return { cpuUs: user + system, rssBytes: process.memoryUsage.rss(), peakRssBytes };
}

async function answer(question: keyof Questions, asked: unknown): Promise<unknown> {
  switch (question) {
    case 'load':
      return runLoad(end as Client, asked as Load);
    case 'open':
      return runOpenLoad(end as Client, asked as OpenLoad);
    case 'failOver':
      return (end as Client).failOver!(asked as FailoverRound);
    case 'blocked':
      return end.blocked!();
    case 'usage':
      return usage();
    case 'stop':
      return end.close();
  }
}

async function say(act: () => Promise<unknown>): Promise<void> {
  const saying: Saying = await act().then(
    (told) => ({ told: told ?? null }),
    (error: unknown) =>
      error instanceof Missing
        ? { missing: error.message }
        : { failed: error instanceof Error ? `${error.stack}` : String(error) },
  );
  process.send!(saying);
}

process.on('message', ({ question, asked }: { question: keyof Questions; asked: unknown }) => {
  void say(() => answer(question, asked)).then(() => question === 'stop' && process.disconnect());
});
// Whoever asked is gone.
process.once('disconnect', () => process.exit());

await say(async () => {
  if (address === undefined) {
    const server = await stack.startServer();
    end = server;
    return server.address;
  }
  end = await stack.connect(address);
  return undefined;
});

import { Child, type ChildConfig } from './child.ts';
import { demo } from './plan.ts';
import type { Screen } from './screen.ts';
import { shorten, type Executor, type Stage } from './stage.ts';

/** Starts a process of the story. */
export function start(stage: Stage, what: Omit<ChildConfig, 'signal'>): Child {
  const child = new Child({ ...what, signal: stage.signal });
  stage.children.push(child);
  return child;
}

/** Starts the validator; gives the address through which all others join. */
export async function startValidator(stage: Stage): Promise<string> {
  const { screen, programs } = stage;
  const child = start(stage, { name: 'validator', program: programs.lloom, args: ['validator', '--json'] });
  const { peerId, addresses } = await child.next('ready');
  const address = (addresses as string[])[0] ?? '';
  const shown = address.replace(/p2p\/.*/, `p2p/${shorten(peerId as string)}`);
  showNode(screen, { child, peerId: peerId as string });
  screen.row(['', 12], [screen.paint('faint', shown), 0]);
  return address;
}

/** Starts the executors, each known to the network then. */
export function startExecutors(stage: Stage, bootstrap: string): Promise<Executor[]> {
  const { screen, programs, hasViews } = stage;
  const starting = demo.executors.map(async (offer): Promise<Executor> => {
    const { name, model, inboundPrice, outboundPrice } = offer;
    const prices = ['--inbound-price', inboundPrice, '--outbound-price', outboundPrice];
    const view = hasViews ? ['--ui'] : [];
    const args = ['executor', '--model', model, ...prices, '--bootstrap', bootstrap, '--json', ...view];
    const child = start(stage, { name, program: programs.lloom, args });
    const viewUrl = hasViews ? ((await child.next('view'))['url'] as string) : undefined;
    const { peerId, evmAddress } = await child.next('ready');
    await child.next('advertised');
    showNode(screen, { child, peerId: peerId as string }, `${model}, now in the DHT`);
    return { child, peerId: peerId as string, evmAddress: evmAddress as string, viewUrl, offer };
  });
  return Promise.all(starting);
}

/** A line about a node and its process. */
export function showNode(
  screen: Screen,
  { child, peerId }: { readonly child: Child; readonly peerId: string },
  what = '',
): void {
  screen.row([child.name, 12], [shorten(peerId), 13], [`process ${child.pid}`, 16], [what, 0]);
}

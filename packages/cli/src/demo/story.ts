import { costOf } from '@lloom/codec';
import { Child, type ChildEvent } from './child.ts';
import { demo } from './plan.ts';
import type { Screen } from './screen.ts';

/** Where the programs of the demo are. */
export interface Programs {
  readonly lloom: string;
  readonly client: string;
}

/** What the story is told with. */
export interface Stage {
  readonly screen: Screen;
  readonly programs: Programs;
  /** Ends the story when it aborts. */
  readonly signal: AbortSignal;
  /** Everybody who was started, for whoever cleans up. */
  readonly children: Child[];
}

interface Executor {
  readonly child: Child;
  readonly peerId: string;
  readonly evmAddress: string;
  readonly offer: (typeof demo.executors)[number];
}

/**
 * Plays the demo from the first process to the last answer, and checks that every step shows what it must.
 * @throws {Error} at the first step that does not
 */
export async function tell(stage: Stage): Promise<void> {
  const { screen } = stage;
  screen.line(screen.paint('title', 'Lloom demo'));
  screen.line('Five nodes, each a process of its own, talk over TCP on 127.0.0.1.');

  screen.step(1, 'A validator starts. Everybody else joins through it.');
  const address = await startValidator(stage);

  screen.step(2, 'Three executors join and offer their models.');
  const executors = await startExecutors(stage, address);

  screen.step(3, "A client joins. All it knows is the validator's address.");
  const client = start(stage, { name: 'client', program: stage.programs.client, args: [address] });
  const cheapest = await showProviders(stage, client, executors);

  screen.step(4, `It signs a question for ${cheapest.offer.name}, which verifies it and answers.`);
  await showAnswer(stage, client, cheapest);

  screen.step(5, 'The same request, changed after it was signed, is refused.');
  await client.next('asking');
  await showRefusal(stage, client, { step: 'tampered', name: 'RpcError', code: 'SIGNATURE_REFUSED' });
  check(
    !cheapest.child.pending().some(isRequest),
    `${cheapest.offer.name} worked on a request that was changed`,
  );

  screen.step(6, `A model that nobody serves, ${demo.unservedModel}, is not found.`);
  await showRefusal(stage, client, { step: 'unserved', name: 'DiscoveryError', code: 'NO_PROVIDERS' });
  await client.next('done');
  check((await client.ended()) === 0, 'the client did not end well');
}

const isRequest = ({ event }: ChildEvent): boolean => event === 'request';

function check(isTrue: boolean, otherwise: string): asserts isTrue {
  if (!isTrue) throw new Error(`The demo does not show what it must: ${otherwise}`);
}

function start(
  stage: Stage,
  what: { readonly name: string; readonly program: string; readonly args: string[] },
): Child {
  const child = new Child({ ...what, signal: stage.signal });
  stage.children.push(child);
  return child;
}

async function startValidator(stage: Stage): Promise<string> {
  const { screen, programs } = stage;
  const child = start(stage, { name: 'validator', program: programs.lloom, args: ['validator', '--json'] });
  const { peerId, addresses } = await child.next('ready');
  const address = (addresses as string[])[0] ?? '';
  const shown = address.replace(/p2p\/.*/, `p2p/${shorten(peerId as string)}`);
  showNode(screen, { child, peerId: peerId as string });
  screen.row(['', 12], [screen.paint('faint', shown), 0]);
  return address;
}

function startExecutors(stage: Stage, bootstrap: string): Promise<Executor[]> {
  const { screen, programs } = stage;
  const starting = demo.executors.map(async (offer): Promise<Executor> => {
    const { name, model, inboundPrice, outboundPrice } = offer;
    const prices = ['--inbound-price', inboundPrice, '--outbound-price', outboundPrice];
    const args = ['executor', '--model', model, ...prices, '--bootstrap', bootstrap, '--json'];
    const child = start(stage, { name, program: programs.lloom, args });
    const { peerId, evmAddress } = await child.next('ready');
    await child.next('advertised');
    showNode(screen, { child, peerId: peerId as string }, `${model}, now in the DHT`);
    return { child, peerId: peerId as string, evmAddress: evmAddress as string, offer };
  });
  return Promise.all(starting);
}

function showNode(
  screen: Screen,
  { child, peerId }: { readonly child: Child; readonly peerId: string },
  what = '',
): void {
  screen.row([child.name, 12], [shorten(peerId), 13], [`process ${child.pid}`, 16], [what, 0]);
}

const shorten = (peerId: string): string => `${peerId.slice(0, 5)}…${peerId.slice(-6)}`;

async function showProviders(stage: Stage, client: Child, executors: readonly Executor[]): Promise<Executor> {
  const { screen } = stage;
  const { peerId } = await client.next('joined');
  showNode(screen, { child: client, peerId: peerId as string });
  screen.say(`It looks up ${demo.model} in the DHT and asks who is named there for the price:`);
  const { providers } = await client.next('providers');
  const found = (providers as { peerId: string; price?: { inboundPrice: string; outboundPrice: string } }[])
    .map(({ peerId: id, price }) => ({ executor: executors.find((each) => each.peerId === id), price }))
    .toSorted((a, b) => Number(a.price?.outboundPrice) - Number(b.price?.outboundPrice));
  for (const [index, { executor, price }] of found.entries()) {
    const cheapest = index === 0 ? screen.paint('good', '<- the cheapest') : '';
    const tariff = `${price?.inboundPrice} wei in, ${price?.outboundPrice} out`;
    screen.row([executor?.offer.name ?? 'a stranger', 12], [tariff, 35], [cheapest, 0]);
    const { inboundPrice, outboundPrice } = executor?.offer ?? {};
    const isTrue = price?.inboundPrice === inboundPrice && price?.outboundPrice === outboundPrice;
    check(executor !== undefined && isTrue, 'a provider or its price is not what was started');
  }
  const wanted = demo.executors.filter((offer) => offer.model === demo.model).map((offer) => offer.name);
  const names = found.map(({ executor }) => executor?.offer.name);
  check(
    wanted.length === names.length && wanted.every((name) => names.includes(name)),
    `found ${names.join(', ') || 'nobody'}, want ${wanted.join(', ')}`,
  );
  const [first] = found;
  check(first?.executor?.offer.name === 'executor B', 'executor B is not the cheapest');
  return first.executor;
}

async function showAnswer({ screen }: Stage, client: Child, executor: Executor): Promise<void> {
  check(
    (await client.next('asking'))['peerId'] === executor.peerId,
    'another one than the cheapest is asked',
  );
  screen.say(`> ${demo.prompt}`);
  screen.line();
  const chunks: ChildEvent[] = [];
  let last = await client.next();
  for (; last.event === 'chunk'; last = await client.next()) {
    chunks.push(last);
    screen.flow(last['text'] as string, '| ');
  }
  screen.endFlow();
  check(
    last.event === 'answer',
    `the answer ended with ${last.event}: ${JSON.stringify(last['error'] ?? {})}`,
  );
  const { signers, content, inboundTokens, outboundTokens, totalCost, elapsedMs } = last;
  const [inbound, outbound] = [inboundTokens as number, outboundTokens as number];
  const text = chunks.map((chunk) => chunk['text']).join('');
  const firstMs = chunks[0]?.['elapsedMs'] as number;
  check(text === content && text.startsWith('Offline backend'), 'the text that arrived is not the answer');
  check(chunks.length > 10 && (elapsedMs as number) - firstMs > 100, 'the text did not arrive bit by bit');
  check(String(signers).toLowerCase() === executor.evmAddress.toLowerCase(), 'somebody else signed');
  check(
    totalCost === costOf(executor.offer, { inboundTokens: inbound, outboundTokens: outbound }),
    'the price is wrong',
  );
  const { inboundPrice, outboundPrice } = executor.offer;
  screen.line();
  screen.field('served by', `${executor.offer.name}, ${shorten(executor.peerId)}`);
  screen.field('signed by', `${executor.evmAddress}, verified`);
  screen.field('tokens', `${inbound} of the question, ${outbound} of the answer`);
  screen.field(
    'price',
    `${inbound} x ${inboundPrice} + ${outbound} x ${outboundPrice} = ${totalCost as string} wei`,
  );
  screen.field('time', `first token after ${firstMs} ms, whole answer after ${elapsedMs as number} ms`);
  const report = await executor.child.next('request');
  check(
    report['outcome'] === 'answered' && report['totalCost'] === totalCost,
    'the executor saw it differently',
  );
}

async function showRefusal(
  { screen }: Stage,
  client: Child,
  wanted: { readonly step: string; readonly name: string; readonly code: string },
): Promise<void> {
  const { step, error } = await client.next();
  check(step === wanted.step && error !== undefined, `"${wanted.step}" was not refused`);
  const { name, code, message, hint } = error as Record<string, string>;
  screen.field(name ?? '', `${code}: ${message}`);
  screen.field('hint', hint ?? '');
  check(
    name === wanted.name && code === wanted.code,
    `it was refused with ${name} ${code}, not ${wanted.code}`,
  );
}

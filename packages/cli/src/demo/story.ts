import { showAnswer, showFailover } from './answers.ts';
import type { Child, ChildEvent } from './child.ts';
import { showNode, start, startExecutors, startValidator } from './nodes.ts';
import { demo } from './plan.ts';
import { check, type Executor, type Stage } from './stage.ts';

/**
 * Plays the demo from the first process to the last answer, and checks that every step shows what it must.
 * @returns the executor that took over from the one that was killed
 * @throws {Error} at the first step that does not
 */
export async function tell(stage: Stage): Promise<Executor> {
  const { screen } = stage;
  screen.line(screen.paint('title', 'Lloom demo'));
  screen.line('Five nodes, each a process of its own, talk over TCP on 127.0.0.1.');

  screen.step(1, 'A validator starts. Everybody else joins through it.');
  const address = await startValidator(stage);

  screen.step(2, 'Three executors join and offer their models.');
  const executors = await startExecutors(stage, address);

  screen.step(3, "A client joins. All it knows is the validator's address.");
  const client = start(stage, { name: 'client', program: stage.programs.client, args: [address] });
  const [cheapest, other] = await showProviders(stage, client, executors);

  screen.step(4, `It signs a question for ${cheapest.offer.name}, which verifies it and answers.`);
  const { content } = await showAnswer(stage, client, cheapest);

  screen.step(5, `It asks again, and ${cheapest.offer.name} is killed. ${other.offer.name} goes on.`);
  await showFailover(stage, client, { victim: cheapest, successor: other, expected: content });

  screen.step(6, 'A request that was changed after it was signed is refused.');
  await client.next('asking');
  await showRefusal(stage, client, { step: 'tampered', name: 'RpcError', code: 'SIGNATURE_REFUSED' });
  check(!other.child.pending().some(isRequest), `${other.offer.name} worked on a request that was changed`);

  screen.step(7, `A model that nobody serves, ${demo.unservedModel}, is not found.`);
  await showRefusal(stage, client, { step: 'unserved', name: 'DiscoveryError', code: 'NO_PROVIDERS' });
  await client.next('done');
  check((await client.ended()) === 0, 'the client did not end well');
  return other;
}

const isRequest = ({ event }: ChildEvent): boolean => event === 'request';

/** Gives the cheapest provider, and the other one. */
async function showProviders(
  stage: Stage,
  client: Child,
  executors: readonly Executor[],
): Promise<readonly [Executor, Executor]> {
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
  const [first, second] = found.map(({ executor }) => executor);
  check(first?.offer.name === 'executor B' && second !== undefined, 'executor B is not the cheapest');
  return [first, second];
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

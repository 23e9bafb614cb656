import type { ServiceDescriptor, SignedMessage } from '@lloom/codec';
import { expect, test } from 'vitest';
import { Whereabouts } from '../src/internal/whereabouts.ts';
import type { Provider } from '../src/types.ts';
import { FakeClock, FakeNetwork, executor, peerIds } from './fakes.ts';
import { settled } from './machines.ts';

const { alice, bob, carol } = peerIds;
const [home, outside] = ['/ip4/192.168.1.2/tcp/4001', '/ip4/8.8.8.8/tcp/4001'];

function create() {
  const clock = new FakeClock();
  const network = new FakeNetwork(alice);
  const stop = new AbortController();
  return { clock, network, stop, whereabouts: new Whereabouts({ clock, network, stop: () => stop.signal }) };
}

const said = (addresses: readonly string[], sequence = 1): SignedMessage<ServiceDescriptor> =>
  ({
    payload: { peerId: bob, sequence, services: [], addresses },
  }) as unknown as SignedMessage<ServiceDescriptor>;

const provider = (peerId: string, addresses: readonly string[] = [home]): Provider => ({
  peerId,
  addresses,
  info: executor(['demo-small']),
  heardAt: 0,
});

test('what a peer says of where it is counts when it is new, and only where it is known', async () => {
  const { network, whereabouts } = create();
  whereabouts.taken(said([home]), undefined);
  await settled();
  whereabouts.taken(said([home], 2), said([home]));
  whereabouts.taken(said([], 3), said([home], 2));
  whereabouts.taken(said(['nonsense', outside], 4), said([home], 2));
  await settled();
  expect(network.relocated).toEqual([
    { peerId: bob, addresses: [home], former: [], isWanted: false },
    { peerId: bob, addresses: [outside], former: [home], isWanted: false },
  ]);
});

test('one peer after the other is written, each as it was last said', async () => {
  const { network, whereabouts } = create();
  const { promise, resolve } = Promise.withResolvers<void>();
  network.onRelocate = () => promise;
  whereabouts.handOut([provider(carol)]);
  whereabouts.taken(said([home]), undefined);
  whereabouts.handOut([provider(bob, [outside])]);
  whereabouts.taken(said([outside], 2), said([home]));
  await settled();
  expect(network.relocated).toHaveLength(1);
  resolve();
  await settled();
  expect(network.relocated.slice(1)).toEqual([
    { peerId: bob, addresses: [outside], former: [home], isWanted: true },
  ]);
});

test('of long results the first are looked at, each peer once in ten seconds', async () => {
  const { clock, network, whereabouts } = create();
  const many = Array.from({ length: 100 }, (_, index) => provider(`peer-${index}`));
  whereabouts.handOut(many);
  whereabouts.handOut(many);
  whereabouts.handOut([provider(bob, [])]);
  await settled();
  expect(network.relocated).toHaveLength(64);
  await clock.advance(10_000);
  whereabouts.handOut(many.slice(0, 1));
  await settled();
  expect(network.relocated).toHaveLength(65);
});

test('a peer store that fails is told of, and holds up nobody; after the stop nothing is written', async () => {
  const { network, stop, whereabouts } = create();
  network.onRelocate = () => Promise.reject(new Error('full'));
  whereabouts.handOut([provider(bob), provider(carol)]);
  await settled();
  expect(network.relocated).toHaveLength(2);
  expect(network.errors).toHaveLength(2);
  stop.abort();
  whereabouts.taken(said([home]), undefined);
  await settled();
  expect(network.relocated).toHaveLength(2);
});

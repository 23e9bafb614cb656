// A node of the network without this package: the others, joined by hand in a plain libp2p node. It joins a validator that is
// a LloomBehaviour, is found by the name of its model, and answers a signed question piece by piece.
import assert from 'node:assert/strict';
import { identify, identifyPush } from '@libp2p/identify';
import type { Libp2p } from '@libp2p/interface';
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht';
import { ping } from '@libp2p/ping';
import { Identity, LloomBehaviour } from '@lloom/behaviour';
import { client, validator } from '@lloom/behaviour/presets';
import { boundedDhtDatastore, dhtRecords, discovery, guardedDht } from '@lloom/discovery';
import type { DescriptorChannel, Dialer, Discovery } from '@lloom/discovery';
import { gossip, type Gossip, type Topic } from '@lloom/gossip';
import { metrics } from '@lloom/metrics';
import { nat, type Nat } from '@lloom/nat';
import { peers, type PeerFact, type Peers } from '@lloom/peers';
import { rpc, type Rpc } from '@lloom/rpc';
import { createStack } from '@lloom/transport';
import { MemoryDatastore } from 'datastore-core';
import { createLibp2p } from 'libp2p';

/** The DHT of this network. Private addresses count, for nothing but this machine is used here. */
const kadConfig = {
  protocol: '/lloom/kad/1.0.0',
  clientMode: false,
  peerInfoMapper: passthroughMapper,
  allowQueryWithZeroPeers: true,
};

type Services = { peers: Peers; rpc: Rpc; discovery: Discovery; gossip: Gossip; nat: Nat };

async function createNode(identity: Identity, bootstrapPeers: string[]): Promise<Libp2p<Services>> {
  const { libp2p: figures, meter } = metrics();
  const [signer, verifier] = [identity.signer(), identity.verifier()];
  const datastore = boundedDhtDatastore(new MemoryDatastore(), { ownPeerId: identity.peerId });
  const kad = kadDHT({ ...kadConfig, ...dhtRecords({ verifier, datastore }) });
  // What one package asks of another one is a port, and called when all are there.
  const its = (): Services => node.services;
  const dialer: Dialer = { dial: async (...call) => void (await its().peers.dialPeer(...call)) };
  const reputation = { report: (id: string, fact: PeerFact) => its().peers.reportPeer(id, fact) };
  const common = { meter, dialer, reputation };
  const node = await createLibp2p<Services>({
    ...{ start: false, privateKey: identity.libp2pKey, datastore, metrics: figures, ...createStack() },
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    services: {
      ...{ identify: identify(), identifyPush: identifyPush(), ping: ping(), dht: guardedDht(kad) },
      peers: peers({ meter, addressPolicy: 'loopback', services: (id) => its().discovery.servicesOf(id) }),
      rpc: rpc({
        ...{ meter, reputation, signer, verifier },
        alternatives: {
          find: (query) => its().discovery.alternativeTo(query),
          search: (query, config) => its().discovery.findAlternative(query, config),
        },
      }),
      discovery: discovery({ ...common, bootstrapPeers, signer, verifier, channel: channelOf(its) }),
      gossip: gossip({ ...common, score: { scoreOf: (id) => its().peers.reputationOf(id) } }),
      nat: nat({ meter, dialer }),
    },
  });
  await node.start();
  return node;
}

/** Offers travel over a topic of gossip. */
function channelOf(its: () => Services): DescriptorChannel {
  let offers: Topic<Uint8Array> | undefined;
  return {
    publish: async (frame) => void (await offers?.publish(frame, { timeoutMs: 0 })),
    subscribe: (validate) => {
      offers = its().gossip.createTopic('lloom/service-descriptors', { validate, isQuiet: true });
      void offers.subscribe();
      return () => void offers?.unsubscribe();
    },
  };
}

const hub = await LloomBehaviour.create(Identity.generate(), validator({ addressPolicy: 'loopback' }));
const bootstrapPeers = hub.listenedAddresses().map((address) => `${address}/p2p/${hub.peerId}`);
const asker = Identity.generate();
const user = await LloomBehaviour.create(asker, client({ addressPolicy: 'loopback', bootstrapPeers }));
const rebuilt = await createNode(Identity.generate(), bootstrapPeers);
try {
  const executor = rebuilt.services;
  executor.rpc.serve(async function* () {
    for (const word of ['Wires', ' alone', ' make', ' a', ' node.']) yield word;
    yield { inboundTokens: 5, totalCost: '5' };
  });
  await executor.discovery.bootstrap();
  const published = new Promise((resolve) =>
    executor.discovery.addEventListener('service:advertised', resolve),
  );
  const pricing = { inboundPrice: '0', outboundPrice: '1' };
  await executor.discovery.advertiseService({
    kind: 'executor',
    models: ['demo-small'],
    capacity: 4,
    pricing,
  });
  await published;

  await user.bootstrap();
  const [provider] = await user.requireModelProviders('demo-small');
  assert(provider);
  const request = await asker.sign(
    { model: 'demo-small', prompt: 'What makes a node?' },
    { to: provider.peerId },
  );
  const answer = user.stream(provider.peerId, { type: 'llmRequest', request });
  for await (const { text } of answer) process.stdout.write(text);
  process.stdout.write(`\nproven, for ${(await answer.result).totalCost} wei, by ${provider.peerId}\n`);
  assert.equal(provider.peerId, rebuilt.peerId.toString());
} finally {
  await Promise.all([user.stop(), rebuilt.stop(), hub.stop()]);
}

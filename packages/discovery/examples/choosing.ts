// Four nodes in one process, on this machine only: a validator to join through, two executors of one model, and a client
// that selects one of them and asks the validator who else there is.
import { identify } from '@libp2p/identify';
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht';
import { noise } from '@libp2p/noise';
import { ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { boundedDhtDatastore, dhtRecords, discovery, guardedDht } from '@lloom/discovery';
import { Identity } from '@lloom/identity';
import { MemoryDatastore } from 'datastore-core';
import { createLibp2p } from 'libp2p';

const createNode = (bootstrapPeers: string[]) => {
  const identity = Identity.generate();
  const [signer, verifier] = [identity.signer(), identity.verifier()];
  // #region dht
  const datastore = boundedDhtDatastore(new MemoryDatastore(), { ownPeerId: identity.peerId });
  const dht = guardedDht(
    kadDHT({
      protocol: '/lloom/kad/1.0.0',
      clientMode: false,
      peerInfoMapper: passthroughMapper,
      allowQueryWithZeroPeers: true,
      ...dhtRecords({ verifier, datastore }),
    }),
  );
  // #endregion
  return createLibp2p({
    privateKey: identity.libp2pKey,
    datastore,
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      ping: ping(),
      dht,
      discovery: discovery({ bootstrapPeers, signer, verifier, datastore }),
    },
  });
};

const validator = await createNode([]);
const addresses = validator.getMultiaddrs().map((address) => address.toString());
const [cheap, long] = [await createNode(addresses), await createNode(addresses)];
const client = await createNode(addresses);

try {
  for (const { services } of [cheap, long, client]) await services.discovery.bootstrap();
  await validator.services.discovery.advertiseService({ kind: 'validator', stake: '0' });
  const offer = { kind: 'executor', models: ['demo-small'], capacity: 4 } as const;
  const pricing = (price: string) => ({ inboundPrice: price, outboundPrice: price });
  for (const [{ services }, more] of [
    [cheap, { pricing: pricing('1000'), contextLength: 4_096 }],
    [long, { pricing: pricing('2000'), contextLength: 32_768 }],
  ] as const) {
    const told = services.discovery.events();
    await services.discovery.advertiseService({ ...offer, ...more });
    for await (const { type } of told) if (type === 'service:advertised') break;
  }

  // #region choose
  const chosen = await client.services.discovery.selectExecutor({
    model: 'demo-small',
    maxPrice: '5000',
    minContext: 8_192,
    prefer: { price: 2, latency: 1 },
  });
  console.log(chosen.explain().text);
  // #endregion
  if (chosen.peerId !== long.peerId.toString()) throw new Error('The context of the other one is too short');

  // #region ask
  const [found] = await client.services.discovery.discoverValidators({ limit: 1 });
  if (found === undefined) throw new Error('Nobody validates');
  const query = { type: 'findModel', model: 'demo-small', filters: { maxPrice: '1500' } } as const;
  const answer = await client.services.discovery.queryRegistry(found.peerId, query);
  if (answer.type === 'executorList')
    for (const { descriptor, lastSeenAt } of answer.executors) console.log(descriptor.peerId, lastSeenAt);
  // #endregion
} finally {
  await Promise.all([client.stop(), cheap.stop(), long.stop(), validator.stop()]);
}

// Three nodes in one process, on this machine only: two that know only the third hear one another.
// #region node
import { identify } from '@libp2p/identify';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { gossip, GossipError, GossipTopic, type TopicCodec } from '@lloom/gossip';
import { createLibp2p } from 'libp2p';

const createNode = (profile: 'member' | 'bootstrapper') =>
  createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), gossip: gossip({ profile }) },
  });
// #endregion

const [hub, one, other] = [
  await createNode('bootstrapper'),
  await createNode('member'),
  await createNode('member'),
];
try {
  // #region use
  const { ExecutorAnnouncements } = GossipTopic;
  for (const node of [hub, other]) await node.services.gossip.subscribeTopic(ExecutorAnnouncements);
  const events = other.services.gossip.events();
  await Promise.all([one, other].map((node) => node.dial(hub.getMultiaddrs())));

  const pricing = { inboundPrice: '500000000000000', outboundPrice: '1000000000000000' };
  const announcement = { type: 'executorAvailable', models: ['demo-small'], capacity: 4, pricing } as const;
  const { recipients } = await one.services.gossip.publishMessage(ExecutorAnnouncements, announcement);
  console.log(`handed to ${recipients.length}`);

  for await (const event of events) {
    if (event.type !== 'message:received' || event.message.type !== 'executorAvailable') continue;
    console.log(`${event.peerId} offers ${event.message.models.join()}`);
    break;
  }
  // #endregion

  // #region topic
  const codec: TopicCodec<{ readonly celsius: number }> = {
    encode: (value) => new TextEncoder().encode(JSON.stringify(value)),
    decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes)) as { celsius: number },
  };
  const validate = ({ celsius }: { readonly celsius: number }) => (celsius < -273 ? 'reject' : 'accept');
  const weather = one.services.gossip.createTopic('weather/1.0.0', { codec, validate });
  const sameWeather = other.services.gossip.createTopic('weather/1.0.0', { codec, validate });
  await sameWeather.subscribe();
  const values = sameWeather.messages();
  // Messages pass through those who are subscribed.
  await hub.services.gossip.subscribeTopic('weather/1.0.0');
  await weather.publish({ celsius: 21 });
  for await (const { peerId, value } of values) {
    console.log(`${peerId} measures ${value.celsius}`);
    break;
  }
  // #endregion

  const nobody = one.services.gossip.publishMessage('nobody-listens', new Uint8Array(1), { timeoutMs: 100 });
  await nobody.catch((error: unknown) => {
    if (GossipError.is(error, 'NO_PEERS')) console.log(error.message);
  });
} finally {
  await Promise.all([hub, one, other].map(async (node) => node.stop()));
}

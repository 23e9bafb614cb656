import { randomUUID } from 'node:crypto';
import { canRun, skipped } from '../natlab/lab.ts';
import type { Member, MemberConfig } from '../natlab/member.ts';
import { LabNetwork } from '../natlab/network.ts';
import type { Asked } from '../natlab/tokens.ts';
import { median, row, type Row } from './report.ts';

const mebibyte = 1_048_576;

/** How many pairs start and find each other, one after the other. */
const pairs = 5;
const throughputRounds = 9;
/** One streamed answer of 4 MiB. */
const bulk = { tokens: 4_096, tokenBytes: 1_024 };
const recoveryRounds = 3;
const recoveryGoalS = 30;
const little = { tokens: 8, tokenBytes: 16 };
/** How long an answer is waited for before it is asked for anew, while its relay is gone. */
const askMs = 2_000;

/** As users have it, but for addresses, which are private in a laboratory. */
const config = {
  packages: { nat: { autonat: { onlyGlobalIps: false } } },
} as const;

/** What stays while pairs come and go. */
interface Stage {
  readonly network: LabNetwork;
  readonly relay: Member;
  readonly through: readonly Member[];
}

async function withStage<T>(act: (stage: Stage) => Promise<T>): Promise<T> {
  await using network = await LabNetwork.create({}, { config });
  const bootstrap = await network.add('bootstrap', 'public');
  const relays = { maxConnectionBytes: 2 ** 40 };
  const relay = await network.add('relay', 'public', { through: [bootstrap], relays });
  return await act({ network, relay, through: [bootstrap, relay] });
}

const seconds = (ms: readonly number[]): number => median(ms) / 1_000;

const ask = (client: Member, executor: Member, size: typeof bulk): Promise<Asked> =>
  client.ask('ask', { peerId: executor.peerId, model: executor.model, maxAttempts: 8, ...size });

/** @throws when a byte is missing */
async function mustAsk(client: Member, executor: Member, size: typeof bulk): Promise<Asked> {
  const asked = await ask(client, executor, size);
  if (!asked.isExact) throw new Error(`An answer came to ${JSON.stringify(asked)}`);
  return asked;
}

/** What a pair behind port-restricted NATs took, in ms. */
interface Meeting {
  readonly joined: number;
  readonly status: number;
  readonly relayed: number;
  readonly direct: number;
  readonly dial: number;
}

/** Two nodes start, and the first one asks the other, which it reaches through the relay. */
async function meet({ network, relay, through }: Stage): Promise<Meeting> {
  const id = randomUUID().slice(0, 8);
  const add = (name: string, more: MemberConfig = {}): Promise<Member> =>
    network.add(`${name}-${id}`, 'port-restricted', { through, ...more });
  const executor = await add('bob', { offers: `model-${id}` });
  const { relayedAtMs, statusAtMs, joinedAtMs } = await executor.ask('relayed', null);
  const client = await add('alice');
  await client.ask('relayed', null);
  await client.ask('dialThroughRelay', { peerId: executor.peerId, relay: relay.address });
  const wanted = { type: 'connection:upgraded', detail: { peerId: executor.peerId } } as const;
  const { detail } = await client.ask('event', wanted);
  await mustAsk(client, executor, little);
  const other = await network.add(`dialler-${id}`, 'public');
  const dial = await other.ask('dial', { peerId: relay.peerId, address: relay.address });
  await Promise.all([client, executor, other].map((member) => member.crash()));
  return {
    joined: joinedAtMs,
    status: statusAtMs,
    relayed: relayedAtMs!,
    direct: Number(detail['tookMs']),
    dial,
  };
}

async function meetingRows(stage: Stage): Promise<Row[]> {
  const meetings: Meeting[] = [];
  for (let i = 0; i < pairs; i++) meetings.push(await meet(stage));
  const of = (which: keyof Meeting): number => seconds(meetings.map((each) => each[which]));
  const joined = { baseline: of('joined'), unit: 's', against: 'to join' };
  return [
    row('nat.status.seconds', { ...joined, value: of('status') }),
    row('nat.relayed.seconds', { ...joined, value: of('relayed') }),
    row('nat.direct.seconds', {
      value: of('direct'),
      baseline: of('dial'),
      unit: 's',
      against: 'a dial of a public node',
    }),
  ];
}

/** Those who stay for the rest: two that are met directly, and one that never is. */
interface Trio {
  readonly client: Member;
  readonly direct: Member;
  readonly relayed: Member;
}

async function gather({ network, through }: Stage): Promise<Trio> {
  const [client, direct, relayed] = await Promise.all([
    network.add('alice', 'port-restricted', { through }),
    network.add('bob', 'port-restricted', { through, offers: 'model-bob' }),
    network.add('sam', 'symmetric', { through, offers: 'model-sam' }),
  ]);
  for (const executor of [direct, relayed]) {
    await executor.ask('relayed', null);
    await client.ask('find', executor.model);
    await mustAsk(client, executor, little);
  }
  await client.ask('event', { type: 'connection:upgraded', detail: { peerId: direct.peerId } });
  return { client, direct, relayed };
}

async function throughputRow({ client, direct, relayed }: Trio): Promise<Row> {
  const rates = { direct: [] as number[], relayed: [] as number[] };
  const turn = async (way: 'direct' | 'relayed', executor: Member, counts: boolean): Promise<void> => {
    const { bytes, ms, ways } = await mustAsk(client, executor, bulk);
    if (ways.some((used) => used !== way)) throw new Error(`${ways.join()} instead of ${way}`);
    if (counts) rates[way].push((bytes * 1_000) / ms / mebibyte);
  };
  for (let round = 0; round <= throughputRounds; round++) {
    const turns = [() => turn('direct', direct, round > 0), () => turn('relayed', relayed, round > 0)];
    for (const act of round % 2 === 0 ? turns : turns.toReversed()) await act();
  }
  return row('nat.throughput.relayed-vs-direct', {
    value: median(rates.relayed),
    baseline: median(rates.direct),
    unit: 'MiB/s',
    against: 'without a relay',
  });
}

/** From the end of the relay, which is started again at once, to an answer through it. */
async function recoveryRow({ relay }: Stage, { client, relayed }: Trio): Promise<Row> {
  const tookMs: number[] = [];
  for (let round = 0; round < recoveryRounds; round++) {
    await relay.crash();
    const start = performance.now();
    const back = relay.start();
    const query = { peerId: relayed.peerId, model: relayed.model, ...little, timeoutMs: askMs };
    for (let answer: Asked | undefined; answer?.isExact !== true;) answer = await client.ask('ask', query);
    tookMs.push(performance.now() - start);
    await back;
  }
  const measured = { value: seconds(tookMs), baseline: recoveryGoalS, unit: 's', against: 'goal' };
  return row('nat.relay-recovery.vs-goal', measured, 1);
}

/** What NATs cost a node, in networks of namespaces: on a machine that has none, nothing. */
export async function natSuite(): Promise<Row[]> {
  if (!canRun()) {
    process.stderr.write(`${skipped}\n`);
    return [];
  }
  return withStage(async (stage) => {
    const meetings = await meetingRows(stage);
    const trio = await gather(stage);
    return [...meetings, await throughputRow(trio), await recoveryRow(stage, trio)];
  });
}

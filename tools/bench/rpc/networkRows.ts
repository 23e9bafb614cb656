import { median, row, type Row } from '../report.ts';
import { Field } from './compare.ts';
import type { Load } from './load.ts';
import type { Pair } from './pair.ts';
import { p50Row, p99Row, rateRow, volumeRow } from './rows.ts';
import { requestBytes, type Blocked } from './stack.ts';

const rounds = 5;
const small = { bodyBytes: requestBytes };
const full: Load = { inFlight: 64, ms: 800, what: small };
const serial: Load = { inFlight: 1, ms: 600, what: small };
/** A pace of 20 tokens a second, as models have it. */
const pace = { tokens: 40, everyMs: 50 };

/** Small requests: many at a time, and one at a time. */
export function unaryRows(): Promise<Row[]> {
  const ours = 'lloom-unary';
  return Field.with([ours, 'grpc-tls', 'libp2p-stream', 'batched-stream', 'nats'], async (field) => {
    const at64 = await field.measure(full, { rounds });
    const one = await field.measure(serial, { rounds, names: [ours, 'grpc-tls'] });
    const metric = 'rpc.unary64';
    return [
      ...rateRow(at64, {
        metric: `${metric}.vs-grpc-tls`,
        ours,
        theirs: 'grpc-tls',
        against: 'gRPC over TLS',
        goal: 5,
      }),
      ...rateRow(at64, {
        metric: `${metric}.vs-libp2p-stream`,
        ours,
        theirs: 'libp2p-stream',
        against: 'libp2p, a stream per request',
        goal: 15,
      }),
      ...rateRow(at64, {
        metric: `${metric}.vs-batched-stream`,
        ours,
        theirs: 'batched-stream',
        against: 'libp2p, one stream batched by hand',
        goal: 0.6,
      }),
      ...rateRow(at64, {
        metric: `${metric}.vs-nats`,
        ours,
        theirs: 'nats',
        against: 'NATS request-reply',
        goal: 1,
      }),
      ...p50Row(one, {
        metric: 'rpc.serial.p50.vs-grpc-tls',
        ours,
        theirs: 'grpc-tls',
        against: 'gRPC over TLS',
        goal: 1.2,
      }),
    ];
  });
}

/** Requests and answers that are signed and verified. */
export function signedRows(): Promise<Row[]> {
  const ours = 'lloom-signed';
  return Field.with([ours, 'naive', 'grpc-insecure', 'lloom-unary'], async (field) => {
    const at64 = await field.measure({ ...full, ms: 1_000 }, { rounds });
    return [
      ...rateRow(at64, {
        metric: 'rpc.signed64.vs-naive',
        ours,
        theirs: 'naive',
        against: 'viem, JSON, a stream per request',
        goal: 20,
      }),
      ...rateRow(at64, {
        metric: 'rpc.signed64.vs-grpc',
        ours,
        theirs: 'grpc-insecure',
        against: 'gRPC, unsigned, insecure',
        goal: 0.4,
      }),
      ...rateRow(at64, {
        metric: 'rpc.signed.vs-unsigned',
        ours,
        theirs: 'lloom-unary',
        against: 'the same service, unsigned',
      }),
    ];
  });
}

/** How long others may have to wait for signatures, in ms. */
const goalBlockedMs = 5;

/** For how long signatures keep the event loop of the worse process. */
export function cryptoRows(): Promise<Row[]> {
  return Field.with(['lloom-watched'], async ({ pairs: [pair] }) => {
    const all: Blocked[] = [];
    for (let round = 0; round <= rounds; round++) {
      await pair.run({ ...full, ms: 1_000 });
      const [client, server] = await pair.blocked();
      const worse = (of: (blocked: Blocked) => number): number => Math.max(of(client), of(server));
      if (round === 0) continue;
      all.push({
        longestTurnMs: worse(({ longestTurnMs }) => longestTurnMs),
        longestCallMs: worse(({ longestCallMs }) => longestCallMs),
        delayP999Ms: worse(({ delayP999Ms }) => delayP999Ms),
      });
    }
    const figure = (of: (blocked: Blocked) => number) => {
      const [value, baseline] = [median(all.map(of)), goalBlockedMs];
      return { value, baseline, unit: 'ms', against: 'goal' };
    };
    const metric = 'rpc.crypto.loop-block';
    return [
      row(
        metric,
        figure(({ longestTurnMs }) => longestTurnMs),
        1,
      ),
      row(
        `${metric}.call`,
        figure(({ longestCallMs }) => longestCallMs),
      ),
      row(
        `${metric}.delay-p999`,
        figure(({ delayP999Ms }) => delayP999Ms),
      ),
    ];
  });
}

/** Many answers at a time, token by token: as fast as they go, then at the pace of a model. */
export function tokenRows(): Promise<Row[]> {
  const ours = 'lloom-tokens';
  const theirs = 'libp2p-tokens';
  return Field.with([ours, theirs], async (field) => {
    const fast = await field.measure(
      { inFlight: 200, ms: 1_000, what: { tokens: 100, everyMs: 0 } },
      { rounds },
    );
    const paced = await field.measure({ inFlight: 200, ms: 0, what: pace }, { rounds: 3 });
    const against = 'libp2p, a stream per answer';
    return [
      ...rateRow(fast, { metric: 'rpc.tokens200.vs-libp2p-stream', ours, theirs, against, goal: 4 }),
      ...p99Row(paced, { metric: 'rpc.tokens200.p99', ours, theirs, against }),
    ];
  });
}

const bodyBytes = 10 * 1024 * 1024;
/** How many bodies the memory of a process may grow by. */
const goalBodies = 4;

/** How many bodies the memory of the worse process grew by. */
async function growthOf(pair: Pair, base: Awaited<ReturnType<Pair['usage']>>): Promise<number> {
  const after = await pair.usage();
  const grown = after.map(({ peakRssBytes }, index) => peakRssBytes - base[index]!.rssBytes);
  return Math.max(...grown) / bodyBytes;
}

/** Large requests, one at a time: how fast, and what they take of memory. */
export function bodyRows(): Promise<Row[]> {
  const ours = 'lloom-bytes';
  const theirs = 'libp2p-stream';
  return Field.with([ours, theirs], async (field) => {
    // Memory is counted from where small requests have left it.
    await field.measure(full, { rounds: 1 });
    const bases = await Promise.all(field.pairs.map((pair) => pair.usage()));
    const large = await field.measure({ inFlight: 1, ms: 1_000, what: { bodyBytes } }, { rounds });
    const metric = 'rpc.body10mib';
    const against = 'libp2p, a stream per request';
    const speed = { metric: `${metric}.vs-libp2p-stream`, ours, theirs, against, goal: 1.2 } as const;
    const [our, their] = await Promise.all(field.pairs.map((pair, index) => growthOf(pair, bases[index]!)));
    const [value, unit] = [our!, 'bodies'];
    const grown = { value, unit, baseline: goalBodies, against: 'goal' };
    const rows = [...volumeRow(large, speed, bodyBytes), row(`${metric}.rss`, grown, 1)];
    if (their === undefined) return rows;
    return [...rows, row(`${metric}.rss.vs-libp2p-stream`, { value, unit, baseline: their, against })];
  });
}

/** Pings of the service. */
export function pingRows(): Promise<Row[]> {
  const ours = 'lloom-ping';
  const theirs = 'libp2p-echo';
  return Field.with([ours, theirs], async (field) => {
    const at16 = await field.measure({ inFlight: 16, ms: 1_000, what: { bodyBytes: 8 } }, { rounds });
    const against = 'libp2p, a stream per message';
    return rateRow(at16, { metric: 'rpc.ping16.vs-libp2p-stream', ours, theirs, against });
  });
}

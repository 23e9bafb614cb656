import { expect } from 'vitest';
import { Asking, serveStory, type StoryTime } from './flowStory.ts';
import { kibibyte, mebibyte } from './sessionProbes.ts';
import { World, expectNothingLeft } from './sessionServices.ts';

/** Longer than the longest request of a story. */
const calmMs = 60_000;

/**
 * Requests of every kind between two clients and two servers, while sessions break, end, and cannot be opened, and
 * services stop and start again; fails unless each ends exactly once, with the right answer, and nothing is left.
 */
async function flowStory(seed: number, requests: number) {
  let { clock } = new World();
  const time: StoryTime = { after: (ms, act) => void clock.setTimeout(act, ms) };
  const asking = new Asking(time, { seed: `flow/${seed}` });
  const { pick, upTo, may } = asking.choose;
  const [delayMs, jitterMs] = [pick([0.1, 1, 20, 80]), pick([0, 0, 10])];
  const world = new World({
    pace: () => ({
      delayMs: () => delayMs + upTo(jitterMs + 1),
      bytesPerSecond: pick([500_000, 10_000_000, Infinity]),
    }),
    links: () => ({
      capacityBytes: pick([10 * kibibyte, 256 * kibibyte, mebibyte]),
      chunkBytes: () => pick([1_000, 20_000, Infinity]),
    }),
    dialMs: () => (may(0.1) ? undefined : pick([0, 5, 100])),
  });
  ({ clock } = world);
  const config = { maxInboundRequests: 100, maxInboundRequestsPerPeer: 60 };
  const clients = [await world.add(`${seed}/client0`), await world.add(`${seed}/client1`)];
  const servers = [await world.add(`${seed}/server0`, config), await world.add(`${seed}/server1`, config)];
  const workloads = await Promise.all(servers.map(({ rpc }) => serveStory(rpc, time)));

  const storyMs = requests * 10;
  const asked: Promise<void>[] = [];
  for (let count = 0; count < requests; count++)
    clock.at(upTo(storyMs), () => {
      const { rpc, identity } = pick(clients);
      asked.push(asking.ask({ rpc, identity, to: pick(servers).identity }));
    });
  for (let fault = 0; fault < requests / 100; fault++) clock.at(upTo(storyMs), () => breakOne(world, asking));
  for (const { rpc } of [...clients, ...servers])
    clock.at(upTo(storyMs), () => {
      void rpc.stop().then(() => time.after(500, () => void rpc.start()));
    });

  await clock.runFor(storyMs);
  await clock.runFor(calmMs);
  await Promise.all(asked);
  expect([asking.asked, asking.settled]).toEqual([requests, requests]);
  expectNothingLeft(world);
  expect(workloads.map(({ working }) => working.size)).toEqual([0, 0]);
  return asking.codes;
}

/** Breaks or ends a session in one of all ways. */
function breakOne({ links }: World, { choose: { pick } }: Asking): void {
  const open = links.filter(({ near, far }) => near.closedBy === undefined && far.closedBy === undefined);
  if (open.length === 0) return;
  const { near, far } = pick(open);
  const end = pick([near, far]);
  switch (pick(['cut', 'cut', 'reset', 'close'])) {
    case 'cut':
      return end.cut();
    case 'reset':
      return end.abort(new Error('reset'));
    default:
      void end.close();
  }
}

/** Says in which story something went wrong. */
export async function expectFlow(seed: number, requests: number): Promise<ReadonlyMap<string, number>> {
  try {
    return await flowStory(seed, requests);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`story ${seed}: ${why}`, { cause: error });
  }
}

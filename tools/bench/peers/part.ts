// One part of a comparison, in a process of its own.
import { answerQuestions } from '../part.ts';
import { Attackers, type Attack, type Attacked } from './attackers.ts';
import { Crowd } from './crowd.ts';
import { dialRate, type DialLoad } from './dials.ts';
import { Honest, type Heard } from './honest.ts';
import { GrowthWatch, settledMemory, type Memory } from './memory.ts';
import { createNode, echoProtocol, targetOf, type BenchNode, type NodePlan, type Target } from './node.ts';

/** What is left of a storm. */
export interface Left {
  /** Open connections. */
  readonly connections: number;
  /** How many attackers the service still keeps track of. */
  readonly tracked: number;
  /** By how much reachable memory has grown, in bytes. */
  readonly heapGrowth: number;
}

/** What a parent asks. */
export interface Questions {
  /** Starts nodes. */
  readonly start: { readonly asked: readonly NodePlan[]; readonly told: readonly Target[] };
  /** Memory of this process, and how many connections its node has. */
  readonly memory: { readonly asked: undefined; readonly told: Memory & { readonly connections: number } };
  /** Creates visitors. */
  readonly crowd: { readonly asked: number; readonly told: void };
  readonly come: {
    readonly asked: { readonly addresses: readonly string[]; readonly count: number };
    readonly told: void;
  };
  readonly go: { readonly asked: undefined; readonly told: void };
  /** Dials and hangs up, and tells how often a second. */
  readonly dials: { readonly asked: DialLoad; readonly told: number };
  /** Answers whoever speaks the protocol of a storm, and watches its memory. */
  readonly brace: { readonly asked: undefined; readonly told: void };
  /** By how many bytes the process had grown at most. */
  readonly grown: { readonly asked: undefined; readonly told: number };
  /** What is left once at most `connections` are open, or after ten seconds. */
  readonly left: {
    readonly asked: { readonly attackers: readonly string[]; readonly connections: number };
    readonly told: Left;
  };
  /** Creates attackers, and tells who they are. */
  readonly arm: { readonly asked: number; readonly told: readonly string[] };
  readonly attack: { readonly asked: Attack; readonly told: Attacked };
  /** Asks from now on. */
  readonly speak: { readonly asked: string; readonly told: void };
  readonly heard: { readonly asked: undefined; readonly told: Heard };
}

let nodes: readonly BenchNode[] = [];
let crowd: Crowd | undefined;
let attackers: Attackers | undefined;
let honest: Honest | undefined;
let braced: { readonly watch: GrowthWatch; readonly heap: number } | undefined;

async function brace(): Promise<void> {
  await nodes[0]!.libp2p.handle(echoProtocol, (stream) => {
    stream.addEventListener('message', ({ data }) => {
      if (stream.status === 'open') stream.send(data);
    });
  });
  const { heap } = await settledMemory();
  braced = { watch: await GrowthWatch.start(), heap };
}

async function left({ attackers: peerIds, connections }: Questions['left']['asked']): Promise<Left> {
  const { libp2p, peers } = nodes[0]!;
  const open = (): number => libp2p.getConnections().length;
  for (const end = performance.now() + 10_000; performance.now() < end && open() > connections;) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const isTracked = (peerId: string): boolean => peers?.explainPeer(peerId).state !== 'absent';
  const { heap } = await settledMemory();
  return {
    connections: open(),
    tracked: peers === undefined ? 0 : peerIds.filter(isTracked).length,
    heapGrowth: heap - braced!.heap,
  };
}

type Answers = {
  readonly [Q in keyof Questions]: (asked: Questions[Q]['asked']) => Promise<Questions[Q]['told']>;
};

const answers: Answers = {
  async start(plans) {
    nodes = await Promise.all(plans.map(createNode));
    return nodes.map(targetOf);
  },
  memory: async () => ({ ...(await settledMemory()), connections: nodes[0]!.libp2p.getConnections().length }),
  async crowd(count) {
    crowd = await Crowd.create(count);
  },
  come: (asked) => crowd!.come(asked),
  go: () => crowd!.go(),
  dials: (load) => dialRate(nodes[0]!, load),
  brace,
  grown: async () => braced!.watch.stop(),
  left,
  async arm(count) {
    attackers = await Attackers.create(count);
    return attackers.peerIds;
  },
  attack: (attack) => attackers!.run(attack),
  async speak(address) {
    honest = await Honest.start(address);
  },
  heard: () => honest!.stop(),
};

answerQuestions<Questions>((question, asked) => {
  const answer = answers[question] as (asked: unknown) => Promise<unknown>;
  return answer(asked);
});

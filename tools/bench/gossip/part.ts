// One part of a network, in a process of its own.
import { answerQuestions } from '../part.ts';
import { Side, type ClosedDone, type ClosedLoad } from './closedLoad.ts';
import type { CreateNode, GossipNode, NodePlan } from './node.ts';
import { Notices } from './notices.ts';
import { Arrivals, type OpenDone, type OpenLoad } from './openLoad.ts';
import { decodePayload, firstOpenId } from './payload.ts';

/** A connection that a node here opens. */
export interface Dial {
  readonly node: number;
  readonly address: string;
}

/** What a parent asks. */
export interface Questions {
  /** Starts nodes, and tells their addresses. */
  readonly start: { readonly asked: readonly NodePlan[]; readonly told: readonly string[] };
  readonly join: { readonly asked: readonly Dial[]; readonly told: undefined };
  /** Waits until each node knows the subscription of all that it is connected to, or until so many ms are over. */
  readonly settle: { readonly asked: number; readonly told: undefined };
  /** The first of two sides that tell one another what arrived: at which port. */
  readonly listen: { readonly asked: undefined; readonly told: number };
  readonly connect: { readonly asked: number; readonly told: undefined };
  readonly closed: { readonly asked: ClosedLoad; readonly told: ClosedDone };
  readonly open: { readonly asked: OpenLoad; readonly told: OpenDone };
}

let nodes: readonly GossipNode[] = [];
let side: Side | undefined;
/** The other process has connected. */
let joined: Promise<void> = Promise.resolve();
const arrivals = new Arrivals();

function onMessage(bytes: Uint8Array): void {
  const payload = decodePayload(bytes);
  if (payload.id >= firstOpenId) arrivals.onMessage(payload);
  else side?.onMessage(payload.id);
}
const onNotice = (id: number): void => side?.onNotice(id);

/** A process loads the stack that it measures, and not the other. */
const creators: Readonly<Record<NodePlan['stack'], () => Promise<{ createNode: CreateNode }>>> = {
  ours: () => import('./lloomNode.ts'),
  uncounted: () => import('./lloomNode.ts'),
  stock: () => import('./stockNode.ts'),
};

async function start(plans: readonly NodePlan[]): Promise<string[]> {
  const { createNode } = await creators[plans[0]!.stack]();
  nodes = await Promise.all(plans.map((plan) => createNode(plan, onMessage)));
  return nodes.map(({ address }) => address);
}

async function settle(ms: number): Promise<void> {
  const isSettled = (node: GossipNode): boolean => node.topicPeers() >= node.connections();
  for (const end = performance.now() + ms; performance.now() < end && !nodes.every(isSettled);) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function listen(): Promise<number> {
  const { port, notices } = await Notices.listen(onNotice);
  joined = (async () => {
    side = new Side(nodes, 0, await notices);
  })();
  return port;
}

async function answer(question: keyof Questions, asked: unknown): Promise<unknown> {
  switch (question) {
    case 'start':
      return start(asked as readonly NodePlan[]);
    case 'join':
      return Promise.all((asked as readonly Dial[]).map(({ node, address }) => nodes[node]!.dial(address)));
    case 'settle':
      return settle(asked as number);
    case 'listen':
      return listen();
    case 'connect':
      side = new Side(nodes, 1, await Notices.connect(asked as number, onNotice));
      return undefined;
    case 'closed':
      await joined;
      return side!.run(asked as ClosedLoad);
    case 'open':
      return arrivals.run(nodes, asked as OpenLoad);
  }
}

answerQuestions<Questions>(answer);

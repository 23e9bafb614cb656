// One part of the network, in a process of its own: nodes that stay, or clients that come and go.
import { answerQuestions } from '../part.ts';
import type { LloomBehaviour } from '@lloom/behaviour';
import {
  drain,
  iterate,
  list,
  Standing,
  type Drained,
  type Iterated,
  type Listed,
  type Named,
} from './client.ts';
import { addressesOf, createNode, offer, soon, type Hub } from './nodes.ts';

/** Nodes that stay: the model of each, or nothing for one that is idle. */
export interface Start {
  readonly hub: Hub;
  readonly models: readonly (string | null)[];
}

/** A node that stays. */
export interface Started {
  readonly peerId: string;
  readonly addresses: readonly string[];
}

/** What a parent asks. */
export interface Questions {
  /** Starts nodes; they have joined then. */
  readonly start: { readonly asked: Start; readonly told: readonly Started[] };
  /** All of them that have a model offer it. */
  readonly offer: { readonly asked: undefined; readonly told: undefined };
  readonly iterate: { readonly asked: Hub; readonly told: Iterated };
  readonly list: { readonly asked: Hub; readonly told: Listed };
  readonly drain: { readonly asked: Hub; readonly told: Drained };
  /** Has two clients join that stay. */
  readonly stand: { readonly asked: Hub; readonly told: Named };
  /** Whom those two name. */
  readonly named: { readonly asked: undefined; readonly told: Named };
}

const nodes: { readonly node: LloomBehaviour; readonly model: string | null }[] = [];
let standing: Standing | undefined;

async function start({ hub, models }: Start): Promise<Started[]> {
  const started = await Promise.all(
    models.map(async (model) => {
      const node = await createNode(hub);
      if (hub.length > 0) await node.bootstrap({ signal: soon() });
      return { node, model };
    }),
  );
  nodes.push(...started);
  return started.map(({ node }) => ({ peerId: node.peerId, addresses: addressesOf(node) }));
}

async function offerAll(): Promise<void> {
  const offers = nodes.flatMap(({ node, model }, i) =>
    model === null ? [] : [offer(node, model, `${1_000 + i}`)],
  );
  await Promise.all(offers);
}

async function answer(question: keyof Questions, asked: unknown): Promise<unknown> {
  switch (question) {
    case 'start':
      return start(asked as Start);
    case 'offer':
      return offerAll();
    case 'iterate':
      return iterate(asked as Hub);
    case 'list':
      return list(asked as Hub);
    case 'drain':
      return drain(asked as Hub);
    case 'stand':
      standing = await Standing.create(asked as Hub);
      return standing.named();
    case 'named':
      return standing!.named();
  }
}

answerQuestions<Questions>(answer);

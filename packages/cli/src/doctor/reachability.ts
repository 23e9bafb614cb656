import type { LloomBehaviour, NatExplanation } from '@lloom/behaviour';
import { errorText } from '@lloom/core';
import type { NetworkName } from '../options.ts';
import { counted, fail, ok, skip, spoken, warn, type Judgement } from './finding.ts';
import { until, type Bound, type Teller } from './waiting.ts';

/** What was heard of how the node can be reached. */
export interface ReachabilityFacts {
  readonly network: NetworkName;
  readonly peers: number;
  readonly waitedMs: number;
  readonly nat: Pick<NatExplanation, 'status' | 'mapping' | 'servers' | 'candidates'>;
}

/** Waits until somebody has tried to reach the node. */
export async function awaitReachability(
  node: LloomBehaviour,
  { network, peers }: Pick<ReachabilityFacts, 'network' | 'peers'>,
  bound: Bound,
): Promise<ReachabilityFacts> {
  const startedAt = performance.now();
  const changes: Teller = {
    on: (tell) => {
      node.addEventListener('nat:changed', tell);
      return () => node.removeEventListener('nat:changed', tell);
    },
  };
  const isWaiting = network === 'public' && peers > 0;
  if (isWaiting) await until(bound, changes, () => node.natStatus().kind !== 'unknown');
  return { network, peers, waitedMs: performance.now() - startedAt, nat: node.explainNat() };
}

/** Whether others can dial the node. */
export function judgeReachability({ network, peers, waitedMs, nat }: ReachabilityFacts): Judgement {
  if (network !== 'public')
    return skip(`in the network "${network}" nobody is asked: only addresses of the internet are tried`);
  if (peers === 0) return skip('nobody is connected who could try');
  const { status, mapping, servers, candidates } = nat;
  if (status.kind === 'public') return ok(`others can reach this node at ${status.address}`);
  const forward =
    'Forward the port of --listen in your router and add --announce, or let the node use relays.';
  if (status.kind === 'private') {
    const tried = candidates.filter(({ verdict }) => verdict === 'unreachable').map(({ address }) => address);
    const where = tried.length === 0 ? '' : ` (tried: ${tried.join(', ')})`;
    const symmetric =
      mapping === 'endpoint-dependent'
        ? ' Its NAT gives each connection another port, so hole punching fails.'
        : '';
    return warn(`nobody outside can reach this node${where}.${symmetric}`, forward);
  }
  if (servers === 0)
    return skip(
      `none of ${counted(peers, 'connected peer')} tries whether others can be reached`,
      'Join through more peers: of small networks none may offer it.',
    );
  return warn(
    `${counted(servers, 'peer')} could try, and none has told within ${spoken(waitedMs)}`,
    'Run it again with a longer --timeout.',
  );
}

/** What became of asking for a place at a relay. */
export interface RelayFacts {
  /** Whether the node was told to be reached through given relays. */
  readonly isGiven: boolean;
  readonly status: NatExplanation['status']['kind'];
  /** How many of the connected peers relay, as they say. */
  readonly known: number;
  /** Whether places were asked for. */
  readonly isTried: boolean;
  /** Through which relays the node can be reached. */
  readonly reserved: readonly string[];
  readonly waitedMs: number;
  /** Why the others gave none. */
  readonly problems: readonly string[];
}

/** Asks for a place at a relay, where the node was told one or cannot be reached without. */
export async function tryRelay(
  node: LloomBehaviour,
  relays: readonly string[] | undefined,
  bound: Bound,
): Promise<RelayFacts> {
  const startedAt = performance.now();
  const status = node.natStatus().kind;
  const isTried = relays !== undefined || status === 'private';
  const reserved = (): string[] =>
    node
      .explainNat()
      .relays.filter(({ state }) => state === 'reserved')
      .map(({ relay }) => relay);
  const problems: string[] = [];
  if (isTried) {
    const changes: Teller = {
      on: (tell) => {
        node.addEventListener('relay:reserved', tell);
        node.addEventListener('relay:lost', tell);
        return () => {
          node.removeEventListener('relay:reserved', tell);
          node.removeEventListener('relay:lost', tell);
        };
      },
    };
    try {
      await node.enableRelayClient(relays === undefined ? {} : { relays });
      await until(bound, changes, () => reserved().length > 0);
    } catch (error) {
      problems.push(errorText(error));
    }
  }
  const known = node
    .connectedPeers()
    .filter((peerId) => node.peerInfo(peerId)?.roles.includes('relay') === true);
  problems.push(
    ...node
      .explainNat()
      .relays.flatMap(({ relay, lastFailure }) =>
        lastFailure === undefined ? [] : [`${relay}: ${lastFailure}`],
      ),
  );
  return {
    isGiven: relays !== undefined,
    status,
    known: known.length,
    isTried,
    reserved: reserved(),
    waitedMs: performance.now() - startedAt,
    problems: problems.slice(0, 4),
  };
}

/** Whether the node can be reached through a relay where it has to. */
export function judgeRelay({
  isGiven,
  status,
  known,
  isTried,
  reserved,
  waitedMs,
  problems,
}: RelayFacts): Judgement {
  if (!isTried) {
    const why = status === 'public' ? 'the node can be reached without' : 'not needed as far as is known';
    return skip(`${why}; ${counted(known, 'connected peer')} would relay`);
  }
  if (reserved.length > 0) return ok(`a place is kept by ${reserved.join(', ')} (${spoken(waitedMs)})`);
  const why = problems.length > 0 ? problems.join('; ') : `nobody gave one within ${spoken(waitedMs)}`;
  return fail(
    `no relay keeps a place: ${why}`,
    isGiven
      ? 'Check that the relay runs with --relay-server and that its address is right.'
      : 'Give one with --relay, or run one on a public machine with --relay-server.',
  );
}

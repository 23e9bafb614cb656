import type { LloomBehaviour } from '@lloom/behaviour';
import { explainError, isCodedError, toMultiaddr, toPeerAddress } from '@lloom/core';
import { scopeOf } from './addressScope.ts';
import { fail, ok, skip, spoken, warn, type Judgement } from './finding.ts';
import { until, within, type Bound, type Teller } from './waiting.ts';

/** What became of dialling one bootstrap address. */
export interface BootstrapFacts {
  readonly address: string;
  readonly peerId: string;
  /** Whether it is the node's own. */
  readonly isSelf?: boolean;
  /** Why it could not be dialled. */
  readonly problem?: string;
  /** Whether the time of all checks was over before that could be told. */
  readonly isCut?: boolean;
  /** How long it took to be connected, in ms. */
  readonly ms?: number;
  /** What it says to speak; empty when it did not say. */
  readonly protocols?: readonly string[];
  readonly agentVersion?: string | undefined;
}

/** What a peer through which others join must speak, and what for. */
const needed: readonly (readonly [prefix: string, purpose: string])[] = [
  ['/lloom/kad/1.0.0', 'the DHT'],
  ['/lloom/descriptor/1.0.0', 'offers'],
  ['/meshsub/1.', 'gossip'],
];

/** Dials bootstrap addresses, and hears what the peers speak. */
export async function tryBootstraps(
  node: LloomBehaviour,
  addresses: readonly string[],
  bound: Bound,
): Promise<BootstrapFacts[]> {
  const ofPeers = Map.groupBy(addresses, (address) => toPeerAddress(address).peerId.toString());
  const tried = await Promise.all(
    Array.from(ofPeers.values(), async (ofOne) => {
      const facts: BootstrapFacts[] = [];
      // libp2p makes dials of one peer that run at the same time one, with what comes of the first.
      for (const address of ofOne) facts.push(await tryBootstrap(node, address, bound));
      return facts;
    }),
  );
  return tried.flat();
}

async function tryBootstrap(node: LloomBehaviour, address: string, bound: Bound): Promise<BootstrapFacts> {
  const { peerId: peer } = toPeerAddress(address);
  const peerId = peer.toString();
  if (peerId === node.peerId) return { address, peerId, isSelf: true };
  const { libp2p } = node;
  let said: Said | undefined;
  const hear = ({ detail }: CustomEvent<Said>): void => {
    if (peer.equals(detail.peerId)) said = detail;
  };
  libp2p.addEventListener('peer:identify', hear);
  let isTaken = false;
  // A handshake begins when somebody has taken the connection; on the way through a relay that may be the relay.
  const onProgress = ({ type }: { readonly type: string }): void => {
    isTaken ||= scopeOf(address) !== 'relayed' && type === 'upgrader:encrypt-outbound-connection';
  };
  const startedAt = performance.now();
  try {
    // The user's word: such an address may be one that nobody else may name.
    await within(bound, () => node.addPeerAddr(peerId, address));
    // Another address of a peer that is connected already is tried all the same.
    await within(bound, (signal) => libp2p.dial(toMultiaddr(address), { signal, onProgress, force: true }));
    const ms = performance.now() - startedAt;
    const identifying: Teller = {
      on: (tell) => {
        libp2p.addEventListener('peer:identify', tell);
        return () => libp2p.removeEventListener('peer:identify', tell);
      },
    };
    await until(bound, identifying, () => said !== undefined);
    return { address, peerId, ms, protocols: said?.protocols ?? [], agentVersion: said?.agentVersion };
  } catch (error) {
    const waitedMs = performance.now() - startedAt;
    if (bound.signal.aborted) return { address, peerId, isCut: true };
    // libp2p has a limit of its own, which may be shorter.
    const isLate = waitedMs >= bound.ms || explainError(error) === 'The operation was aborted due to timeout';
    const missed = isTaken ? 'a connection, but no handshake' : 'no answer';
    return { address, peerId, problem: isLate ? `${missed} within ${spoken(waitedMs)}` : problemOf(error) };
  } finally {
    libp2p.removeEventListener('peer:identify', hear);
  }
}

/** Why a peer could not be dialled, without its address, which stands beside it. */
function problemOf(error: unknown): string {
  if (!isCodedError(error, 'PeersError', 'ADDRESS_REFUSED')) return explainError(error);
  const { data } = error as { readonly data: { readonly refusals: readonly { readonly reason: string }[] } };
  return data.refusals.map(({ reason }) => reason).join('; ');
}

/** What a peer says of itself when it is connected. */
interface Said {
  readonly peerId: Parameters<LloomBehaviour['libp2p']['getConnections']>[0];
  readonly protocols: readonly string[];
  readonly agentVersion?: string;
}

/** Whether the network can be joined through that address. */
export function judgeBootstrap(
  { problem, isSelf, isCut, ms = 0, protocols = [], agentVersion }: BootstrapFacts,
  isAnyReached: boolean,
): Judgement {
  if (isSelf === true)
    return skip('this is the node itself', 'Leave it out: a node does not join through itself.');
  if (isCut === true) return warn('no time was left to dial it', 'Give more with --timeout.');
  if (problem !== undefined) {
    const advice = dialAdvice(problem);
    return isAnyReached
      ? warn(`cannot be dialled: ${problem}`, advice)
      : fail(`cannot be dialled: ${problem}`, advice);
  }
  const missing = needed.filter(([prefix]) => !protocols.some((protocol) => protocol.startsWith(prefix)));
  const who = agentVersion === undefined ? '' : `, runs ${agentVersion}`;
  if (protocols.length === 0)
    return warn(
      `connected in ${spoken(ms)}, but does not say what it speaks`,
      'Try again; it may be too busy.',
    );
  if (missing.length > 0) {
    const lacks = missing.map(([prefix, purpose]) => `${purpose} (${prefix})`).join(', ');
    return warn(
      `connected in ${spoken(ms)}${who}, but does not speak ${lacks}`,
      'Ask its operator: it may be of another network or version, or a node that nobody can reach.',
    );
  }
  return ok(`connected in ${spoken(ms)}${who}`);
}

const dialAdvices: readonly (readonly [pattern: RegExp, advice: string])[] = [
  [
    /ECONNREFUSED|refused/i,
    'Nothing listens there: start that node, or copy its address from its ready line again.',
  ],
  [
    /ENOTFOUND|EAI_AGAIN|dns|resolve/i,
    'The name is not known: check its spelling, and the DNS of this machine.',
  ],
  [/ENETUNREACH|EHOSTUNREACH|EADDRNOTAVAIL/i, 'There is no way there: check the network of this machine.'],
  [
    /denied|policy|NoValidAddresses|valid address/i,
    'The network does not admit such addresses: choose another one with --network lan or --network public.',
  ],
  [
    // A stream that ends amid a message was no such message: an HTTP server begins with "HTTP".
    /newline|multistream|protocol|handshake stage|reading [1-9]\d*\//i,
    'Something else than a node answers there: check the port.',
  ],
  [
    /no handshake/i,
    'Something else than a node waits there, or a node that hangs: check the port, and see to that node.',
  ],
  [
    /peer id|identity|UnexpectedPeer|mismatch/i,
    'Another node answers there: copy its address from its ready line, for it changes with its key.',
  ],
  [/within|time|abort/i, 'Nobody answers: check the IP and the port, and firewalls on the way.'],
  [
    // libp2p gives no reason when a connection is reset in its handshake.
    /reset|closed|ended|EPIPE|EOF|Encryption failed/i,
    'It hangs up: it may be something else than a node, or one that is full, or has banned this peer or this IP.',
  ],
];

/** What to do when an address cannot be dialled for that reason. */
export function dialAdvice(problem: string): string {
  const [, advice] = dialAdvices.find(([pattern]) => pattern.test(problem)) ?? [];
  return advice ?? 'Check that the peer runs, and copy its address from its ready line.';
}

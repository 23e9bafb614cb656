import { RecentMap } from '@lloom/core';
import { networkOfIp } from './admission.ts';
import type { AddressServer, ReachabilityAnswer, SeenIp } from './reachabilityNetwork.ts';

/** Peers whose word is remembered, of each address. */
const maxWords = 32;
/** Peers that are asked in one round at most, of each address. */
const maxTurns = 8;
/** Peers that must refuse to try an address, unless there are fewer, until it is left alone in a round. */
const neededRefusals = 3;
/** Networks that must say no where nobody proves the contrary, unless there are fewer: one may lie, or be cut off itself. */
const neededNoes = 2;
/** Networks that must say no where a single one proves the contrary: that one may stand where others do not. */
const overrulingNoes = 4;
/** Networks that must have got through to an address that no interface has: one may dial another one than it names. */
const neededProofs = 2;

/** An address that may be this node's. */
export interface Candidate extends SeenIp {
  /** As a multiaddr, without a peer id. */
  readonly address: string;
  /** Whether it is on an interface, or the user says so; else others have said that they see this node there. */
  readonly isOwn: boolean;
}

/** What a round makes of an address; `passed` when nobody tried it, or when it could not be told whose it is. */
export type Outcome = 'reached' | 'failed' | 'passed';

/** When somebody was heard. */
export interface Moment {
  /** In ms since 1970. */
  readonly now: number;
  /** By the clock that never goes back. */
  readonly elapsed: number;
}

/** What one peer has found. */
interface Word extends Moment {
  readonly server: AddressServer;
  readonly isReached: boolean;
}

/**
 * Who says what of one address. A proof outweighs words: one is enough where nobody contradicts. Each network has one voice, so
 * that many keys of one host do not count more; peers are counted where all are in one network.
 */
export class Ballot {
  #candidate: Candidate;
  /** The last word of each peer. */
  readonly #words = new RecentMap<Word>(maxWords);
  /** Peers that were asked in this round. */
  readonly #asked = new Set<string>();
  /** Those of them that have not answered yet. */
  readonly #waiting = new Set<string>();
  /** Those of them that got through, or not. */
  readonly #spoke = new Set<string>();
  readonly #refused = new Set<string>();
  #turns = 0;
  /** Whether no single network can have made the address up. */
  #isOurs = false;
  /** Whether the last round that came to something found that it was not reached: then it is doubted from the outset. */
  #hasFailed = false;
  /** The network that proved something last. */
  #voucher: string | undefined;

  constructor(candidate: Candidate) {
    this.#candidate = candidate;
    this.update(candidate);
  }

  /** Takes what is known of the address by now. */
  update(candidate: Candidate): void {
    this.#candidate = candidate;
    this.#isOurs ||= candidate.isOwn;
  }

  /** Whether somebody got through in this round, or did not. */
  get isTried(): boolean {
    return this.#spoke.size > 0;
  }

  begin(): void {
    for (const set of [this.#asked, this.#waiting, this.#spoke, this.#refused]) set.clear();
    this.#turns = 0;
  }

  /** Forgets what was said before a time, by the clock's elapsed time. */
  expire(elapsed: number): void {
    for (const [peerId, word] of this.#words) if (word.elapsed < elapsed) this.#words.delete(peerId);
  }

  ask(peerId: string): void {
    this.#asked.add(peerId);
    this.#waiting.add(peerId);
    this.#turns++;
  }

  /** Takes what came of a question. */
  hear(server: AddressServer, kind: ReachabilityAnswer['kind'], moment: Moment): void {
    this.#waiting.delete(server.peerId);
    if (kind === 'silent') return;
    const isReached = kind === 'reachable';
    const isBelieved = isReached || (kind === 'unreachable' && !isNear(server, this.#candidate));
    if (!isBelieved) {
      this.#refused.add(server.peerId);
      return;
    }
    this.#spoke.add(server.peerId);
    this.#words.set(server.peerId, { server, isReached, ...moment });
    if (!isReached) return;
    this.#voucher = server.network;
    const provers = [...this.#words.values()].filter((word) => word.isReached);
    if (networksOf(provers.map((word) => word.server)).size >= neededProofs) this.#isOurs = true;
  }

  /** Whether one network alone has said whose address it is, and it was not this peer's. */
  wants({ network }: AddressServer): boolean {
    return !this.#isOurs && this.#voucher !== undefined && this.#voucher !== network;
  }

  /** Who got through last in this round, or did not. */
  witness(isReached: boolean): { readonly triedBy?: string; readonly triedAt?: number } {
    const word = this.#ofRound().findLast((each) => each.isReached === isReached);
    return word === undefined ? {} : { triedBy: word.server.peerId, triedAt: word.now };
  }

  /** Who is to be asked in this round. Once others say no, those who got through before are asked first: do they still? */
  left(servers: readonly AddressServer[]): AddressServer[] {
    if (this.#turns >= maxTurns || (!this.isTried && this.#refused.size >= neededRefusals)) return [];
    const able = this.#able(servers);
    const voterOf = votersOf(able);
    const heard = new Set(this.#ofRound().map(({ server }) => voterOf(server)));
    // Who said nothing is asked again where nobody has said anything.
    const done = [this.#refused, this.#waiting, this.isTried ? this.#asked : this.#spoke];
    const left = able.filter(({ peerId }) => !done.some((peers) => peers.has(peerId)));
    const provers = heard.size > 0 ? left.filter(({ peerId }) => this.#words.get(peerId)?.isReached) : [];
    return provers.length > 0 ? provers : left.filter((each) => !heard.has(voterOf(each)));
  }

  /** Whether a peer was asked in this round. */
  wasAsked(peerId: string): boolean {
    return this.#asked.has(peerId);
  }

  /** What the round makes of the address; `undefined` while others are to be asked. */
  outcome(servers: readonly AddressServer[]): Outcome | undefined {
    const left = this.left(servers);
    const isOver = left.length === 0 && this.#waiting.size === 0;
    const { proofs, noes } = this.#count(servers);
    if (proofs === 0) {
      if (noes === 0) return isOver ? 'passed' : undefined;
      const open = [...this.#waiting, ...left.map(({ peerId }) => peerId)];
      const isDoubted = open.some((peerId) => this.#words.get(peerId)?.isReached);
      return isOver || (noes >= neededNoes && !isDoubted) ? 'failed' : undefined;
    }
    if ((noes > 0 || this.#hasFailed) && proofs < neededProofs) {
      if (noes >= overrulingNoes) return 'failed';
      if (!isOver) return undefined;
      return noes === 0 || this.#isBound(servers) ? 'reached' : 'passed';
    }
    return this.#isBound(servers) || isOver ? 'reached' : undefined;
  }

  /** Keeps what the round has made of the address. */
  end(outcome: Outcome): void {
    if (outcome !== 'passed') this.#hasFailed = outcome === 'failed';
  }

  /** Nobody can tell an address from another one where all who can be asked are in one network. */
  #isBound(servers: readonly AddressServer[]): boolean {
    return this.#isOurs || networksOf(this.#able(servers)).size <= 1;
  }

  /** Voices in this round. Of one network the proof counts. */
  #count(servers: readonly AddressServer[]): { readonly proofs: number; readonly noes: number } {
    const words = this.#ofRound();
    const voterOf = votersOf([...this.#able(servers), ...words.map(({ server }) => server)]);
    const all = new Set(words.map(({ server }) => voterOf(server)));
    const proofs = new Set(words.filter((each) => each.isReached).map(({ server }) => voterOf(server))).size;
    return { proofs, noes: all.size - proofs };
  }

  #ofRound(): Word[] {
    return [...this.#spoke].flatMap((peerId) => this.#words.get(peerId) ?? []);
  }

  /** Who can say something of the address. */
  #able(servers: readonly AddressServer[]): readonly AddressServer[] {
    const far = servers.filter((server) => !isNear(server, this.#candidate));
    return far.length > 0 ? far : servers;
  }
}

/** By what voices are told apart. */
function votersOf(servers: readonly AddressServer[]): (server: AddressServer) => string {
  const isOne = networksOf(servers).size <= 1;
  return ({ network, peerId }) => (isOne ? peerId : network);
}

const networksOf = (servers: readonly AddressServer[]): Set<string> =>
  new Set(servers.map(({ network }) => network));

/**
 * Whether a peer is on this side of the router: many routers do not lead from inside to their own addresses, and no firewall
 * stands in between.
 */
function isNear(server: AddressServer, { ip, family, scope }: Candidate): boolean {
  if (scope !== 'global') return false;
  return (
    server.scope !== 'global' || server.ip === ip || (family === 6 && server.network === networkOfIp(ip))
  );
}

import { BehaviourError, GossipTopic, Identity, type LloomBehaviour } from '@lloom/behaviour';
import { errorText } from '@lloom/core';
import { exitCodes } from '../errors.ts';
import { startNode } from '../node.ts';
import type { NodeOptions } from '../options.ts';
import type { Session } from '../session.ts';
import { isOfUse, judgeAnnouncing, judgeListening, probeListening } from './addresses.ts';
import { judgeBootstrap, tryBootstraps } from './bootstrap.ts';
import { judgeClock, sampleClocks } from './clock.ts';
import { judgeDht, tryDht } from './dht.ts';
import {
  count,
  fail,
  linesOf,
  skip,
  spoken,
  summaryOf,
  warn,
  type CheckName,
  type Finding,
  type Judgement,
} from './finding.ts';
import { judgeData, judgeIdentity, readData, readIdentity } from './machine.ts';
import { judgeMesh, watchMeshes } from './mesh.ts';
import { judgeNodeVersion } from './nodeVersion.ts';
import { awaitReachability, judgeReachability, judgeRelay, tryRelay } from './reachability.ts';
import { within, type Bound } from './waiting.ts';

/** What `lloom doctor` takes. Its `timeout` is that of all checks together. */
export type DoctorOptions = NodeOptions;

/** How long single checks may take, in ms. */
const limitsMs = {
  knock: 2_000,
  bootstrap: 8_000,
  join: 5_000,
  clock: 5_000,
  dht: 10_000,
  mesh: 6_000,
  reachability: 15_000,
  relay: 10_000,
};

/** Looks at this machine and its network, and tells what is wrong and what to do; gives the exit code. */
export async function examine(options: DoctorOptions, session: Session): Promise<number> {
  const visit = new Visit(options, session);
  await visit.lookAtMachine();
  await visit.lookAtNetwork();
  return visit.conclude();
}

/** One run of all checks. */
class Visit {
  readonly #options: DoctorOptions;
  readonly #session: Session;
  readonly #signal: AbortSignal;
  readonly #startedAt = performance.now();
  readonly #findings: Finding[] = [];
  #identity: Identity | undefined;
  /** Whether a node that runs has the folder of `--data`. */
  #isRunning = false;

  constructor(options: DoctorOptions, session: Session) {
    this.#options = options;
    this.#session = session;
    this.#signal = AbortSignal.any([session.interruption.signal, AbortSignal.timeout(options.timeout)]);
  }

  /** What can be seen without a network. */
  async lookAtMachine(): Promise<void> {
    const { identity, passphraseFile, data } = this.#options;
    this.#tell('node', judgeNodeVersion(process.versions.node));
    const key = await readIdentity({ identity, passphraseFile }, this.#session);
    if (key.kind === 'read') this.#identity = key.identity;
    this.#tell('identity', judgeIdentity(key));
    const folder = await readData(data);
    this.#isRunning = folder?.heldBy !== undefined;
    this.#tell('data', judgeData(folder));
  }

  /** What a node sees that is started for this alone: it keeps nothing, and offers nothing. */
  async lookAtNetwork(): Promise<void> {
    const { network, announce = [] } = this.#options;
    const { node, error } = await this.#start();
    try {
      await this.#check('listen', async () => {
        if (error !== undefined) return judgeListening({ network, addresses: [], error });
        return judgeListening({
          network,
          addresses: await probeListening(node, this.#bound(limitsMs.knock)),
        });
      });
      await this.#join(node);
      const peers = node.connectedPeers();
      const hasAddress = (): boolean => toldBy(node).some((address) => isOfUse(address, network));
      const bound = this.#bound.bind(this);
      // All at once, for each waits for others most of the time; told in order.
      const clock = this.#begin(async () =>
        judgeClock(await sampleClocks(node, peers, bound(limitsMs.clock))),
      );
      const dht = this.#begin(async () => {
        const facts = { peers: peers.length, hasAddress: hasAddress() };
        return judgeDht(await tryDht(node, facts, bound(limitsMs.dht)));
      });
      const meshes = this.#begin(() => watchMeshes(node, Object.values(GossipTopic), bound(limitsMs.mesh)));
      const reached = this.#begin(async () => {
        const facts = { network, peers: peers.length };
        return judgeReachability(await awaitReachability(node, facts, bound(limitsMs.reachability)));
      });
      await this.#check('clock', () => clock);
      await this.#check('dht', () => dht);
      await this.#check('mesh', async () => {
        const facts = await meshes;
        for (const fact of facts) this.#tell('mesh', judgeMesh(fact), fact.topic);
      });
      await this.#check('reachability', () => reached);
      await this.#check('relay', () =>
        this.#begin(async () => judgeRelay(await tryRelay(node, this.#options.relay, bound(limitsMs.relay)))),
      );
      this.#tell('announce', judgeAnnouncing({ network, given: announce, told: toldBy(node) }));
    } finally {
      await node.stop({ drainMs: 0 });
    }
  }

  /** All in one line; gives the exit code. */
  conclude(): number {
    const counts = count(this.#findings);
    const ms = Math.round(performance.now() - this.#startedAt);
    this.#session.output.event('summary', { ...counts, ms }, ['', summaryOf(counts)]);
    return counts.fail > 0 ? exitCodes.failure : exitCodes.ok;
  }

  async #start(): Promise<{ readonly node: LloomBehaviour; readonly error?: unknown }> {
    // Beside a node that runs, another one with its key would take its connections.
    const isOwnKey = this.#identity !== undefined && !this.#isRunning;
    const identity = isOwnKey ? this.#identity! : Identity.generate();
    // Each bootstrap peer is dialled by itself, so that each is told of.
    const { data: _, bootstrap: __, listen, ...rest } = this.#options;
    const options = { ...rest, bootstrap: [] };
    const start = async (where: Pick<NodeOptions, 'listen'>): Promise<LloomBehaviour> =>
      (await startNode(identity, { ...options, ...where }, { session: this.#session })).node;
    try {
      return { node: await start(listen === undefined ? {} : { listen }) };
    } catch (error) {
      if (!BehaviourError.is(error, 'LISTEN_FAILED')) throw error;
      return { node: await start({}), error };
    }
  }

  async #join(node: LloomBehaviour): Promise<void> {
    const { bootstrap } = this.#options;
    if (bootstrap.length === 0) {
      const advice = 'Add --bootstrap ADDRESS: without one nothing is known of the network.';
      return this.#tell('bootstrap', skip('no peer was given through which the network is joined', advice));
    }
    await this.#check('bootstrap', async () => {
      // Those that do not answer leave time for what the others tell.
      const bound = this.#bound(Math.min(limitsMs.bootstrap, this.#options.timeout / 2));
      const tried = await tryBootstraps(node, bootstrap, bound);
      const isAnyReached = tried.some(({ ms }) => ms !== undefined);
      for (const facts of tried) this.#tell('bootstrap', judgeBootstrap(facts, isAnyReached), facts.address);
      if (!isAnyReached) return;
      for (const { address, isSelf } of tried) if (isSelf !== true) node.addBootstrapPeer(address);
      // What is wrong with it the DHT's check tells.
      await within(this.#bound(limitsMs.join), (signal) => node.bootstrap({ signal })).catch(() => undefined);
    });
  }

  /** Rejects with the reason of what ends all checks when it came too late for them. */
  #begin<T>(run: () => Promise<T>): Promise<T> {
    const work = async (): Promise<T> => {
      this.#signal.throwIfAborted();
      const result = await run();
      this.#signal.throwIfAborted();
      return result;
    };
    const begun = work();
    // Whoever tells of it may never come to that.
    begun.catch(() => undefined);
    return begun;
  }

  /** Tells what a check came to, also when it did not come to anything. */
  async #check(check: CheckName, run: () => Promise<Judgement | void>): Promise<void> {
    try {
      const judgement = await run();
      if (judgement !== undefined) this.#tell(check, judgement);
    } catch (error) {
      this.#session.interruption.signal.throwIfAborted();
      const advice = 'This is a fault of the check itself: report it.';
      this.#tell(check, error === this.#signal.reason ? this.#late() : fail(errorText(error), advice));
    }
  }

  #late(): Judgement {
    return warn(
      `no time was left: all checks together had ${spoken(this.#options.timeout)}`,
      'Give more with --timeout.',
    );
  }

  /** What ends with all checks is told as far as it came. */
  #bound(ms: number): Bound {
    return { ms, signal: this.#signal };
  }

  #tell(check: CheckName, judgement: Judgement, subject?: string): void {
    this.#session.interruption.signal.throwIfAborted();
    const finding: Finding = { check, ...(subject !== undefined && { subject }), ...judgement };
    this.#findings.push(finding);
    this.#session.output.event('check', finding, linesOf(finding));
  }
}

/** What the node tells others of where it is. */
const toldBy = ({ libp2p }: LloomBehaviour): string[] =>
  libp2p.getMultiaddrs().map((address) => address.toString().replace(/\/p2p\/[^/]+$/, ''));

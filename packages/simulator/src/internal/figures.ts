import { errorText } from '@lloom/core';
import type { ResolvedSimulation } from '../config.ts';
import type { Measurement, MeasureFilter, MeasureName } from '../measures.ts';
import type { SimulationReport } from '../report/types.ts';
import type { SimulationMetrics } from '../types.ts';
import { SimulatorError } from '../errors.ts';
import type { GossipTally } from './gossipTally.ts';
import type { Ledger } from './ledger.ts';
import { linkText } from './links.ts';
import { Sampler, type Look } from './sampler.ts';
import { percentileOf } from './spread.ts';
import type { Timeline } from './timeline.ts';
import { connectedShare, connectionsOf, discoveredShare, offersSeenShare, staleOffers } from './view.ts';
import type { World } from './world.ts';

const shownTraceLines = 100;
const noTraffic = { bytes: 0, segments: 0, lostSegments: 0, dials: 0 };

/** What figures are taken of. */
export interface FiguresParts {
  readonly config: ResolvedSimulation;
  readonly world: World;
  readonly ledger: Ledger;
  readonly gossip: GossipTally;
  readonly timeline: Timeline;
}

const duplicatesOf = ({ population }: World): number =>
  population.nodes.reduce((sum, { duplicates }) => sum + duplicates, 0);

type Taken = (filter: MeasureFilter) => Measurement;

/** A simulation in figures. Looking at it changes nothing: no time passes, and nobody is asked anything. */
export class Figures {
  readonly #parts: FiguresParts;
  readonly #sampler: Sampler;
  /** What was there at the end. */
  #last: Look | undefined;

  constructor(parts: FiguresParts) {
    this.#parts = parts;
    this.#sampler = new Sampler({
      intervalMs: parts.config.sampleIntervalMs,
      look: () => this.#look(),
      onKept: () => parts.ledger.forgetRecent(),
    });
  }

  /** Called after every instant. */
  pass(): void {
    this.#sampler.pass(this.#parts.world.elapsedMs);
  }

  /** What is there now stays: the simulation is over. */
  freeze(): void {
    this.#last ??= this.#look();
  }

  metrics(): SimulationMetrics {
    const { world, ledger, gossip } = this.#parts;
    const { sample } = this.#now();
    const { bytes, segments, lostSegments, dials } = world.network?.traffic ?? noTraffic;
    return {
      elapsedMs: world.elapsedMs,
      nodes: { spawned: world.population.nodes.length, up: sample.up },
      links: sample.links,
      connectedShare: sample.connectedShare,
      discoveredShare: sample.discoveredShare,
      requests: ledger.metrics(),
      gossip: { ...gossip.metrics(), duplicates: duplicatesOf(world) },
      traffic: { bytes, segments, lostSegments, dials },
    };
  }

  /** @throws {SimulatorError} `UNKNOWN_NODE`; `INVALID_ARGUMENT` for a measure or a percentile that is none */
  measure(name: MeasureName, filter: MeasureFilter = {}): Measurement {
    const { percentile = 50 } = filter ?? {};
    if (!(percentile >= 1 && percentile <= 100)) {
      const wanted = 'a percentile from 1 to 100';
      throw new SimulatorError('INVALID_ARGUMENT', { act: 'measure', got: errorText(percentile), wanted });
    }
    if (typeof name === 'string' && Object.hasOwn(this.#measures, name))
      return this.#measures[name](filter ?? {});
    const wanted = `one of ${Object.keys(this.#measures).join(', ')}`;
    throw new SimulatorError('INVALID_ARGUMENT', { act: 'measure', got: errorText(name), wanted });
  }

  report(): SimulationReport {
    const { config, world, ledger, gossip, timeline } = this.#parts;
    const { trace, population } = world;
    const look = this.#now();
    const { requests, leftOut } = ledger.shown();
    return {
      version: 1,
      name: 'simulation',
      description: '',
      seed: config.seed,
      fidelity: config.fidelity,
      network: linkText(config),
      durationMs: world.elapsedMs,
      traceHash: trace.hash(),
      traceLength: trace.length,
      traceTail: trace.tail(shownTraceLines),
      metrics: this.metrics(),
      nodes: population.nodes.map(({ name, role, region, peerId }) => ({
        ...{ name, role, peerId },
        ...(region !== undefined && { region }),
      })),
      timeline: timeline.events,
      samples: this.#sampler.samplesWith(look),
      topology: this.#sampler.framesWith(look, population.nodes.length),
      gossipReach: gossip.curve(),
      requestLatency: ledger.latencyCurve(),
      requests,
      properties: [],
      leftOut: { timeline: timeline.leftOut, requests: leftOut },
    };
  }

  readonly #measures: Readonly<Record<MeasureName, Taken>> = {
    connectedShare: () => this.#share('connectedShare'),
    discoveredShare: () => this.#share('discoveredShare'),
    offersSeenShare: () => this.#now().offersSeen,
    staleOffers: () => this.#now().staleOffers,
    answeredShare: (filter) => this.#parts.ledger.answeredShare(filter),
    pending: (filter) => this.#parts.ledger.pending(filter),
    failed: (filter) => this.#parts.ledger.failed(filter),
    latencyMs: (filter) => this.#parts.ledger.latencyMs(filter),
    firstTokenMs: (filter) => this.#parts.ledger.firstTokenMs(filter),
    answersShare: (filter) => this.#parts.ledger.answersShare(filter, this.#executors(filter)),
    paidPerToken: (filter) => this.#parts.ledger.paidPerToken(filter, this.#executors(filter)),
    duplicateExecutions: () => this.#parts.ledger.duplicateExecutions(),
    overbilled: (filter) => this.#parts.ledger.overbilled(filter),
    endedTwice: (filter) => this.#parts.ledger.endedTwice(filter),
    gossipReach: (filter) => this.#parts.gossip.reach(filter),
    bytesPerNodeSecond: () => this.#bytesPerNodeSecond(),
  };

  #executors({ executors }: MeasureFilter): ReadonlySet<string> | undefined {
    if (executors === undefined) return undefined;
    const nodes = this.#parts.world.population.select(executors, 'measure');
    return new Set(nodes.map(({ name }) => name));
  }

  #share(name: 'connectedShare' | 'discoveredShare'): Measurement {
    const { sample } = this.#now();
    return { value: sample[name], count: sample.up };
  }

  #bytesPerNodeSecond(): Measurement {
    const { world } = this.#parts;
    const nodeSeconds = (world.population.nodes.length * world.elapsedMs) / 1_000;
    const bytes = world.network?.traffic.bytes ?? 0;
    return { value: nodeSeconds === 0 ? 0 : bytes / nodeSeconds, count: world.population.nodes.length };
  }

  #now(): Look {
    return this.#last ?? this.#look();
  }

  #look(): Look {
    const { world, ledger } = this.#parts;
    const { population, elapsedMs: atMs } = world;
    const up = population.up();
    const connections = connectionsOf(up);
    const offersSeen = offersSeenShare(up);
    const { recent } = ledger;
    const latency = recent.length === 0 ? undefined : recent;
    const links = connections.links.map(([a, b]) => [up[a]!.index, up[b]!.index] as const);
    return {
      sample: {
        atMs,
        up: up.length,
        links: links.length,
        connectedShare: connectedShare(connections),
        discoveredShare: discoveredShare(up),
        offersSeenShare: offersSeen.count === 0 ? 1 : offersSeen.value,
        ...ledger.counts,
        ...(latency && {
          latencyP50Ms: percentileOf(latency, 50),
          latencyP99Ms: percentileOf(latency, 99),
        }),
        bytes: world.network?.traffic.bytes ?? 0,
      },
      frame: { atMs, up: up.map(({ index }) => index), links },
      offersSeen,
      staleOffers: staleOffers(up, population.ofRole('executor')),
    };
  }
}

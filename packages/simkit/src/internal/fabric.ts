import type { Random } from '@lloom/core';
import type { VirtualClock } from '../clock.ts';
import { linkDefaults, type Line, type Link } from '../link.ts';
import type { RunningTrace } from '../trace.ts';
import { Cuts } from './cuts.ts';
import { Lane } from './lane.ts';

/** One machine of the network. */
export interface Host {
  readonly name: string;
  readonly index: number;
  readonly ip: string;
  /** What it sends goes through here, whoever it is for. Absent when that takes no time. */
  readonly upload?: Line | undefined;
  /** What it receives comes through here. Absent when that takes no time. */
  readonly download?: Line | undefined;
}

/** What went over the links so far, or what one host sent. */
export interface TrafficCount {
  dials: number;
  segments: number;
  lostSegments: number;
  bytes: number;
}

/** How a host reaches another one. May throw. */
export type LinkOf = (from: Host, to: Host) => Link;

/** What every part of a simulated network shares: time, chance, the record, hosts and the lanes between them. */
export class Fabric {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly trace: RunningTrace;
  readonly hosts = new Map<string, Host>();
  readonly cuts = new Cuts();
  readonly traffic = noTraffic();
  readonly #byIp = new Map<string, Host>();
  readonly #linkOf: LinkOf;
  readonly #lanes = new Map<Host, Map<Host, Lane>>();
  readonly #boots = new Map<Host, number>();
  readonly #traffics = new Map<Host, TrafficCount>();

  constructor(parts: { clock: VirtualClock; random: Random; trace: RunningTrace; linkOf: LinkOf }) {
    this.clock = parts.clock;
    this.random = parts.random;
    this.trace = parts.trace;
    this.#linkOf = parts.linkOf;
  }

  /** The way from `from` to `to`. It is made when somebody asks for it first. */
  lane(from: Host, to: Host): Lane {
    let lanes = this.#lanes.get(from);
    if (lanes === undefined) this.#lanes.set(from, (lanes = new Map()));
    let lane = lanes.get(to);
    if (lane === undefined) lanes.set(to, (lane = this.#newLane(from, to)));
    return lane;
  }

  /** Whether two hosts reach one another. Asked for many pairs, so that it makes no lanes. */
  isOpenBetween(a: Host, b: Host): boolean {
    return this.#isOpen(a, b) && this.#isOpen(b, a);
  }

  /** Takes a host in. */
  add(host: Host): void {
    this.hosts.set(host.name, host);
    this.#byIp.set(host.ip, host);
  }

  /** The host that has an ip address. */
  hostAt(ip: string): Host | undefined {
    return this.#byIp.get(ip);
  }

  /** What a host sent so far. */
  trafficOf(host: Host): TrafficCount {
    let traffic = this.#traffics.get(host);
    if (traffic === undefined) this.#traffics.set(host, (traffic = noTraffic()));
    return traffic;
  }

  /** A host tries to open a connection. */
  noteDial(host: Host): void {
    this.traffic.dials += 1;
    this.trafficOf(host).dials += 1;
  }

  /** A host sends a segment, and as many more as were lost. */
  noteSegment(host: Host, bytes: number, losses: number): void {
    for (const traffic of [this.traffic, this.trafficOf(host)]) {
      traffic.segments += 1 + losses;
      traffic.lostSegments += losses;
      traffic.bytes += bytes;
    }
  }

  /** How often the process of a host has died. */
  bootOf(host: Host): number {
    return this.#boots.get(host) ?? 0;
  }

  /** The process of a host dies. */
  noteDeath(host: Host): void {
    this.#boots.set(host, this.bootOf(host) + 1);
  }

  #isOpen(from: Host, to: Host): boolean {
    return this.#lanes.get(from)?.get(to)?.isOpen ?? !this.cuts.isCut(from, to);
  }

  /** A rule is asked in the midst of libp2p, which would take its failure for a failed dial: it ends the run instead. */
  #newLane(from: Host, to: Host): Lane {
    let link = linkDefaults;
    try {
      link = this.#linkOf(from, to);
    } catch (error) {
      this.clock.fail(error);
    }
    return new Lane({ from, to, link, cuts: this.cuts });
  }
}

const noTraffic = (): TrafficCount => ({ dials: 0, segments: 0, lostSegments: 0, bytes: 0 });

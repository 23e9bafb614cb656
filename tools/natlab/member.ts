import { randomBytes } from 'node:crypto';
import type { Hex, NetworkConfig, RelayServerConfig } from '@lloom/behaviour';
import { Part } from '../bench/part.ts';
import type { Questions } from './agent.ts';
import { listenPort, type Place } from './lab.ts';

/** What a member does beside taking part. */
export interface MemberConfig {
  /** Through whom it joins. @default nobody */
  readonly through?: readonly Member[];
  /** Whether it relays for others, and how much. */
  readonly relays?: RelayServerConfig;
  /** The model that it offers. @default none */
  readonly offers?: string;
  /** Wins over what members have in common. */
  readonly config?: NetworkConfig;
  /** What Node is told. @default what this process was told */
  readonly nodeArgs?: readonly string[] | undefined;
  /** The module that is the node. @default the source */
  readonly script?: URL;
  /** @default what this process has */
  readonly env?: NodeJS.ProcessEnv;
}

/** Private numbers count as reachable, and a dead connection is noticed within seconds. */
export const common: NetworkConfig = {
  addressPolicy: 'lan',
  enableMdns: false,
  packages: {
    nat: { autonat: { onlyGlobalIps: false, throttleIntervalMs: 200 } },
    peers: { pingIntervalMs: 1_000, pingTimeoutMs: 1_500, maxMissedPings: 2, redialMinDelayMs: 500 },
  },
};

const source = new URL('agent.ts', import.meta.url);

/** A whole node at a place of a laboratory. It can crash and start again as the same one. */
export class Member {
  readonly place: Place;
  readonly #config: MemberConfig;
  readonly #privateKey: Hex = `0x${randomBytes(32).toString('hex')}`;
  #part: Part<Questions> | undefined;
  #peerId = '';

  constructor(place: Place, config: MemberConfig = {}) {
    this.place = place;
    this.#config = config;
  }

  get peerId(): string {
    return this.#peerId;
  }

  /** Where others can dial it, if it can be dialled. */
  get address(): string {
    return `/ip4/${this.place.outside}/tcp/${listenPort}/p2p/${this.#peerId}`;
  }

  /** The model that it offers. */
  get model(): string {
    return this.#config.offers ?? '';
  }

  /** Resolves when it has joined. */
  async start(): Promise<this> {
    const { through = [], relays, offers, config, nodeArgs, script = source, env } = this.#config;
    const part = new Part<Questions>(script, { nodeArgs, within: this.place.within, env });
    this.#part = part;
    this.#peerId = await part.ask('start', {
      privateKey: this.#privateKey,
      config: {
        ...common,
        listenAddresses: [`/ip4/0.0.0.0/tcp/${listenPort}`],
        bootstrapPeers: through.map(({ address }) => address),
        ...config,
      },
      ...(relays && { relays }),
      ...(offers !== undefined && { offers }),
    });
    return this;
  }

  /** @throws what went wrong there, or that it has ended */
  ask<Q extends keyof Questions>(question: Q, asked: Questions[Q]['asked']): Promise<Questions[Q]['told']> {
    if (this.#part === undefined) throw new Error(`${this.place.name} has not started`);
    return this.#part.ask(question, asked);
  }

  /** Its process ends without a word to anybody. */
  async crash(): Promise<void> {
    await this.#part?.kill();
  }
}

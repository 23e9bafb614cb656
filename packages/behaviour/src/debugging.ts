import { createActor, type ActorRefFrom } from 'xstate';
import {
  boolean,
  ConfigError,
  integer,
  oneOf,
  resolveConfig,
  safe,
  text,
  type Clock,
  type EventSink,
  type EventSource,
  type Inspector,
} from '@lloom/core';
import type { NetworkMetrics } from '@lloom/metrics';
import type { Log, LogLevel } from '@lloom/transport';
import type { Logger } from '@libp2p/interface';
import type { LloomEvents } from './events.ts';
import { summaryOf, tableReport, type DebuggedConnections } from './internal/debugging.ts';
import { maxSetComponents, RaisedLevels } from './internal/raisedLevels.ts';
import { debuggingMachine } from './machines/debugging.machine.ts';
import type { KadMetrics } from './types.ts';

/** What a node says about itself while it is watched. Every field is optional. */
export interface DebugConfig {
  /**
   * Whether every event of the node is logged: component `lloom:events`, level `info`. Who is meant and how it went, never what
   * was asked or answered.
   * @default true
   */
  readonly logAllEvents?: boolean;
  /**
   * Whether `lloom:rpc:requests` and `lloom:gossip:messages` are logged down to `trace`: a line for each request and message.
   * @default true
   */
  readonly traceMessages?: boolean;
  /**
   * Whether the peers of the DHT's routing table and the open connections are logged every `intervalMs`: component `lloom:debug`.
   * @default true
   */
  readonly dumpRoutingTable?: boolean;
  /**
   * Whether the node's figures are logged every `intervalMs`: component `lloom:debug`.
   * @default true
   */
  readonly exportMetrics?: boolean;
  /**
   * How often the node reports, in ms, beginning at once: from 1,000 to an hour.
   * @default 10_000
   */
  readonly intervalMs?: number;
}

/** Which lines debug logging adds. */
export interface DebugLoggingConfig {
  /** How much is logged at least. @default 'debug' */
  readonly level?: 'debug' | 'trace';
  /** Which component, with everything beneath it, such as `lloom:rpc` or `libp2p`. @default '' - all */
  readonly component?: string;
}

/** What debugging needs of a node. */
export interface DebuggingParts {
  readonly log: Log;
  readonly events: EventSource<LloomEvents>;
  readonly clock: Clock;
  readonly inspect?: Inspector | undefined;
  /** Aborts when the node stops: debug mode ends with it. */
  readonly signal: AbortSignal;
  readonly metrics: () => NetworkMetrics;
  readonly kadMetrics: () => KadMetrics;
  /** The peers of the DHT's routing table. */
  readonly routingTable: () => readonly string[];
  /** The connections that are open. */
  readonly connections: () => DebuggedConnections;
}

const hourMs = 3_600_000;

const modeRules = {
  checks: {
    logAllEvents: boolean,
    traceMessages: boolean,
    dumpRoutingTable: boolean,
    exportMetrics: boolean,
    intervalMs: integer(1_000, hourMs),
  },
  defaults: {
    logAllEvents: true,
    traceMessages: true,
    dumpRoutingTable: true,
    exportMetrics: true,
    intervalMs: 10_000,
  },
};

const anyComponent = text(/^/, 'the name of a component');
const anyLevel = oneOf('default', 'off', 'error', 'info', 'debug', 'trace');
const levelRules = {
  checks: { level: anyLevel, component: anyComponent },
  defaults: { level: 'default', component: '' },
};

const loggingRules = {
  checks: { level: oneOf('debug', 'trace'), component: anyComponent },
  defaults: { level: 'debug' as const, component: '' },
};

/** Who wants more logged than was set. */
const debugLogging = 'debug logging';
const debugMode = 'debug mode';

/** Has a node say what it does. What is not asked for costs nothing. */
export class Debugging {
  readonly #parts: DebuggingParts;
  readonly #levels: RaisedLevels;
  readonly #reports: Logger;
  #config: Readonly<Required<DebugConfig>> = modeRules.defaults;
  #actor: ActorRefFrom<typeof debuggingMachine> | undefined;
  #stopListening: (() => void) | undefined;

  constructor(parts: DebuggingParts) {
    this.#parts = parts;
    this.#levels = new RaisedLevels(parts.log);
    this.#reports = parts.log.forComponent('lloom:debug');
    parts.signal.addEventListener('abort', () => this.#actor?.send({ type: 'debugging.stop' }), {
      once: true,
    });
  }

  setLevel(level: LogLevel | 'default', component = ''): void {
    resolveConfig('log', levelRules, { level, component });
    // A configuration may leave it out; whoever calls must not.
    const wanted = anyLevel(level);
    if (wanted !== undefined) throw wrong('level', { got: 'undefined', wanted });
    if (level === 'default') return this.#levels.set(undefined, component);
    if (!this.#levels.hasRoomFor(component)) {
      const among = `one of the ${maxSetComponents} whose level is set; "default" takes one of them back`;
      throw wrong('component', { got: 'one more', wanted: among });
    }
    this.#levels.set(level, component);
  }

  enableLogging(config?: DebugLoggingConfig): void {
    const { level, component } = resolveConfig<Required<DebugLoggingConfig>>(
      'debugLogging',
      loggingRules,
      config,
    );
    this.#levels.raise(debugLogging, new Map([[component, level]]));
  }

  disableLogging(): void {
    this.#levels.lower(debugLogging);
  }

  enableMode(config?: DebugConfig): void {
    const resolved = resolveConfig<Required<DebugConfig>>('debugMode', modeRules, config);
    if (this.#parts.signal.aborted) return;
    this.#config = resolved;
    this.#actor ??= this.#createActor();
    this.#actor.send({ type: 'debugging.enable', intervalMs: resolved.intervalMs });
  }

  disableMode(): void {
    if (!this.#parts.signal.aborted) this.#actor?.send({ type: 'debugging.disable' });
  }

  #createActor(): ActorRefFrom<typeof debuggingMachine> {
    const { clock, inspect } = this.#parts;
    const actor = createActor(debuggingMachine, { id: 'debugging', clock, ...(inspect && { inspect }) });
    const note = (error: unknown): void => this.#reports.error('a report could not be made - %e', error);
    actor.subscribe({ error: note });
    actor.on(
      'debugging.enabled',
      safe(() => this.#begin(), note),
    );
    actor.on(
      'debugging.disabled',
      safe(() => this.#end(), note),
    );
    actor.on(
      'report.due',
      safe(() => this.#report(), note),
    );
    return actor.start();
  }

  #begin(): void {
    const { logAllEvents, traceMessages } = this.#config;
    const levels = new Map<string, LogLevel>([['lloom:debug', 'info']]);
    if (logAllEvents) levels.set('lloom:events', 'info');
    if (traceMessages) levels.set('lloom:rpc:requests', 'trace').set('lloom:gossip:messages', 'trace');
    this.#levels.raise(debugMode, levels);
    this.#stopListening?.();
    this.#stopListening = logAllEvents ? this.#listen() : undefined;
  }

  #end(): void {
    this.#stopListening?.();
    this.#stopListening = undefined;
    this.#levels.lower(debugMode);
  }

  #listen(): () => void {
    const { log, events } = this.#parts;
    const line = log.forComponent('lloom:events');
    // An onlooker: who is believed to answer requests, or to have been told of lost ones, must be somebody who can.
    const onlooker: EventSink<LloomEvents> = {
      emit: (type, detail) => line('%s %o', type, summaryOf(type, detail)),
      isObserved: () => false,
      isHeard: () => true,
      whenObserved: () => undefined,
    };
    return events.forwardTo(onlooker);
  }

  #report(): void {
    const { routingTable, connections, metrics, kadMetrics } = this.#parts;
    const { dumpRoutingTable, exportMetrics } = this.#config;
    if (dumpRoutingTable) this.#reports('routing table %o', tableReport(routingTable(), connections()));
    if (exportMetrics) this.#reports('metrics %o', { ...metrics(), ...kadMetrics() });
  }
}

const wrong = (field: string, problem: { readonly got: string; readonly wanted: string }): ConfigError =>
  new ConfigError([{ path: `log.${field}`, ...problem }]);

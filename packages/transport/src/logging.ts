import { systemClock } from '@lloom/core';
import type { Logger } from '@libp2p/interface';
import { quietLogger } from './adapters/logger.ts';
import { stderrLines } from './adapters/stderr.ts';
import { checkLogLevel, checkLogRoom, resolveLogConfig } from './config.ts';
import { LogLevels, logRanks } from './internal/logLevels.ts';
import { LogRecords } from './internal/logRecords.ts';
import { makeScope } from './internal/scope.ts';
import type { Log, LogConfig, LogRecord } from './ports.ts';

/**
 * A logger for libp2p that makes records: their level can be changed while the node runs, also of what logs already. What fails in
 * the packages of Lloom has the level `error`, what they say of a finished lifecycle `info`, their details `debug`; what others say
 * has `debug`, their errors too, and their details `trace`. While all is off, a line costs one comparison beyond what is beneath.
 *
 * @throws {ConfigError} for a level that is none, or a bound out of its range
 * @example
 * ```ts
 * const log = createLog({ level: 'error', sink: jsonLines((line) => file.write(line)) });
 * const node = await createLibp2p({ ...createStack(), logger: log });
 * log.setLevel('debug', 'lloom:rpc');
 * ```
 */
export function createLog(config: LogConfig = {}): Log {
  const { level, maxRecordsPerSecond } = resolveLogConfig(config);
  const { clock = systemClock, node, sink = stderrLines(), beneath = quietLogger() } = config;
  const levels = new LogLevels();
  levels.set('', level);
  const onSinkFailure = (error: unknown): void =>
    beneath.forComponent('lloom:log').error('the sink of the log fails - %e', error);
  const records = new LogRecords({ sink, maxRecordsPerSecond, clock, node, onSinkFailure });
  const parts: ScopeParts = { levels, records, beneath };
  return {
    forComponent: (name) => scopeOf(name, parts),
    levels: levels.levels,
    setLevel(given, component = '') {
      checkLogLevel({ level: given, component });
      if (given !== undefined) checkLogRoom(levels.levels, component);
      levels.set(component, given);
    },
  };
}

interface ScopeParts extends Required<Pick<LogConfig, 'beneath'>> {
  readonly levels: LogLevels;
  readonly records: LogRecords;
}

type Level = LogRecord['level'];
type Args = Parameters<Logger>;

/** Connections and streams make several each: what is not needed is not made. */
function scopeOf(component: string, parts: ScopeParts): Logger {
  const { levels, records } = parts;
  const isOwn = component === 'lloom' || component.startsWith('lloom:');
  // What libp2p calls errors are dials that fail, streams that are reset: everyday things among peers.
  const failure: Level = isOwn ? 'error' : 'debug';
  const plain: Level = isOwn ? 'info' : 'debug';
  const detail: Level = isOwn ? 'debug' : 'trace';
  let made: Logger | undefined;
  let rank = 0;
  let changes = -1;
  const beneath = (): Logger => (made ??= parts.beneath.forComponent(component));
  const hears = (level: Level): boolean => {
    if (levels.loudest === 0) return false;
    if (changes !== levels.changes) {
      rank = levels.rankOf(component);
      ({ changes } = levels);
    }
    return rank >= logRanks[level];
  };
  const log = (...args: Args): void => {
    if (hears(plain)) records.take(plain, component, args);
    beneath()(...args);
  };
  const trace = (...args: Args): void => {
    if (hears(detail)) records.take(detail, component, args);
    beneath().trace(...args);
  };
  // Our packages ask before they make a line for each request; for all others a scope must be cheap.
  if (isOwn) Object.defineProperty(trace, 'enabled', { get: () => hears(detail) || beneath().enabled });
  return makeScope(log, {
    error(...args) {
      if (hears(failure)) records.take(failure, component, args);
      beneath().error(...args);
    },
    trace,
    newScope: (scope) => scopeOf(`${component}:${scope}`, parts),
    isAsked: () => hears(plain) || beneath().enabled,
  });
}

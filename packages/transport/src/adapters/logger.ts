import { defaultLogger, enabled } from '@libp2p/logger';
import type { ComponentLogger, Logger } from '@libp2p/interface';
import { makeScope } from '../internal/scope.ts';

const libp2pLogger = defaultLogger();

const nothing = (): void => undefined;

/**
 * A logger that costs next to nothing where nobody listens. What `DEBUG` or `enable` of `@libp2p/logger` asks for is
 * logged as libp2p does it; as there, `:trace` counts for what is created after it was asked for.
 */
export function quietLogger(): ComponentLogger {
  return { forComponent: scopeOf };
}

function scopeOf(name: string): Logger {
  return enabled(`${name}:trace`) ? libp2pLogger.forComponent(name) : silentScope(name);
}

/** A scope that makes libp2p's own logger when it first has something to say. */
function silentScope(name: string): Logger {
  let made: Logger | undefined;
  const logger = (): Logger => (made ??= libp2pLogger.forComponent(name));
  const log = (...args: Parameters<Logger>): void => {
    if (enabled(name)) logger()(...args);
  };
  return makeScope(log, {
    error(...args) {
      if (enabled(`${name}:error`)) logger().error(...args);
    },
    trace: nothing,
    newScope: (scope) => scopeOf(`${name}:${scope}`),
    isAsked: () => enabled(name),
  });
}

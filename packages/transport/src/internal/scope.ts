import type { Logger } from '@libp2p/interface';

/** What a logger of libp2p consists of beside the function that it is. */
export interface ScopeMembers extends Pick<Logger, 'error' | 'trace' | 'newScope'> {
  readonly isAsked: () => boolean;
}

// One getter that all share: one of its own makes each scope six times as dear.
const enabled: PropertyDescriptor & ThisType<ScopeMembers> = {
  get() {
    return this.isAsked();
  },
};

/** A logger whose `enabled` is asked for anew each time. */
export function makeScope(
  log: (...args: Parameters<Logger>) => void,
  { error, trace, newScope, isAsked }: ScopeMembers,
): Logger {
  const scope = log as Logger & { isAsked: () => boolean };
  scope.error = error;
  scope.trace = trace;
  scope.newScope = newScope;
  scope.isAsked = isAsked;
  return Object.defineProperty(scope, 'enabled', enabled);
}

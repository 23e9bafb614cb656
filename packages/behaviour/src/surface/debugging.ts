import type { LogLevel } from '@lloom/transport';
import { Debugging, type DebugConfig, type DebuggingParts, type DebugLoggingConfig } from '../debugging.ts';

export type { DebugConfig, DebuggingParts, DebugLoggingConfig } from '../debugging.ts';

/** What a node offers for finding out what it does. Everything works on a running node, and can be taken back. */
export interface DebuggingSurface {
  /**
   * Logs more, until `disableDebugLogging()`. Said again, it says it anew.
   * @throws {ConfigError} for a level or a component that is none
   */
  enableDebugLogging(config?: DebugLoggingConfig): void;
  /** Logs what `setLogLevel` asked for last, before or meanwhile. Harmless when debug logging is off. */
  disableDebugLogging(): void;
  /**
   * How much is logged of a component and everything beneath it; what is said of a longer name wins. While debug logging or debug
   * mode is on, at least what they ask for.
   *
   * @param level `'default'` takes back what was set: the component is logged as what it is beneath, all as `logLevel` says
   * @param component such as `lloom:rpc` or `libp2p`. Default: '' - all
   * @throws {ConfigError} for a level or a component that is none, and for more than 256 components
   */
  setLogLevel(level: LogLevel | 'default', component?: string): void;
  /**
   * Has the node log what happens and how it does, until `disableDebugMode()`. Said again, it says it anew.
   * @throws {ConfigError} listing every problem
   */
  enableDebugMode(config?: DebugConfig): void;
  /** Ends debug mode. Harmless when it is off. */
  disableDebugMode(): void;
}

/** The calls for debugging, for one node. */
export function debuggingSurface(parts: DebuggingParts): DebuggingSurface {
  const debugging = new Debugging(parts);
  return {
    enableDebugLogging: (config) => debugging.enableLogging(config),
    disableDebugLogging: () => debugging.disableLogging(),
    setLogLevel: (level, component) => debugging.setLevel(level, component),
    enableDebugMode: (config) => debugging.enableMode(config),
    disableDebugMode: () => debugging.disableMode(),
  };
}

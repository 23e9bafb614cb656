import type {
  ClientOptions,
  ExecutorOptions,
  RelayOptions,
  SimulatedNode,
  Simulation,
  SimulationConfig,
  ValidatorOptions,
} from './types.ts';

/** A marketplace in virtual time: the specification's network simulator. */
export declare class NetworkSimulator implements Simulation {
  constructor(config: SimulationConfig);
  /**
   * Plans executors; they start with the next run. While time runs, as in `at`, they start at once.
   * @throws {SimulatorError} `TOO_MANY_NODES`, `INVALID_ARGUMENT`
   */
  spawnExecutorNodes(count: number, options?: ExecutorOptions): readonly SimulatedNode[];
  spawnClientNodes(count: number, options?: ClientOptions): readonly SimulatedNode[];
  spawnValidatorNodes(count: number, options?: ValidatorOptions): readonly SimulatedNode[];
  spawnRelayNodes(count: number, options?: RelayOptions): readonly SimulatedNode[];
}
export interface NetworkSimulator extends Simulation {}

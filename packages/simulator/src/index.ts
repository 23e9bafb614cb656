/**
 * Whole LLM marketplaces in virtual time: executors, clients, validators and relays of `@lloom/behaviour` on the links of
 * `@lloom/simkit`, with faults on command, and one seed that decides everything.
 *
 * @packageDocumentation
 */
export { SimulatorError, type SimulatorErrorCode, type SimulatorErrorData } from './errors.ts';
export type { Measurement, MeasureFilter, MeasureName } from './measures.ts';
export { NetworkSimulator } from './networkSimulator.ts';
export { reportHtml } from './report/html.ts';
export { reportText } from './report/text.ts';
export type {
  CurvePoint,
  PropertyResult,
  ReportConfig,
  ReportRequest,
  ReportSample,
  SimulationReport,
  TimelineEvent,
  TopologyFrame,
} from './report/types.ts';
export { loadScenario, parseScenario, scenarioNames } from './scenario/load.ts';
export { runScenario } from './scenario/run.ts';
export type {
  Scenario,
  ScenarioEvent,
  ScenarioGroup,
  ScenarioNodeConfig,
  ScenarioProgress,
  ScenarioProperty,
  ScenarioRunConfig,
} from './scenario/types.ts';
export type {
  ChurnConfig,
  ClientOptions,
  Conduct,
  ExecutorOptions,
  GossipLoadConfig,
  LoadConfig,
  NodeInspector,
  NodeOptions,
  NodeRole,
  NodeSet,
  RelayOptions,
  SimulatedNode,
  SimulatedNodeState,
  Simulation,
  SimulationConfig,
  SimulationFidelity,
  SimulationMetrics,
  Spread,
  Topology,
  ValidatorOptions,
} from './types.ts';

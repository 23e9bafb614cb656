import type { Discovery } from '@lloom/discovery';

/** What a node offers of discovery. */
export type DiscoverySurface = Pick<
  Discovery,
  | 'advertiseService'
  | 'updateServiceInfo'
  | 'withdrawService'
  | 'discoverExecutors'
  | 'findModelProviders'
  | 'requireModelProviders'
  | 'discoverValidators'
  | 'executors'
  | 'modelProviders'
  | 'validators'
  | 'describeService'
  | 'selectExecutor'
  | 'queryRegistry'
  | 'updateExecutorInfo'
  | 'addBootstrapPeer'
  | 'bootstrapPeers'
  | 'bootstrap'
  | 'kadBootstrap'
  | 'refreshServices'
>;

/** The calls of discovery, bound to one service. */
export function discoverySurface(discovery: Discovery): DiscoverySurface {
  return {
    advertiseService: discovery.advertiseService.bind(discovery),
    updateServiceInfo: discovery.updateServiceInfo.bind(discovery),
    withdrawService: discovery.withdrawService.bind(discovery),
    discoverExecutors: discovery.discoverExecutors.bind(discovery),
    findModelProviders: discovery.findModelProviders.bind(discovery),
    requireModelProviders: discovery.requireModelProviders.bind(discovery),
    discoverValidators: discovery.discoverValidators.bind(discovery),
    executors: discovery.executors.bind(discovery),
    modelProviders: discovery.modelProviders.bind(discovery),
    validators: discovery.validators.bind(discovery),
    describeService: discovery.describeService.bind(discovery),
    selectExecutor: discovery.selectExecutor.bind(discovery),
    queryRegistry: discovery.queryRegistry.bind(discovery),
    updateExecutorInfo: discovery.updateExecutorInfo.bind(discovery),
    addBootstrapPeer: discovery.addBootstrapPeer.bind(discovery),
    bootstrapPeers: discovery.bootstrapPeers.bind(discovery),
    bootstrap: discovery.bootstrap.bind(discovery),
    kadBootstrap: discovery.kadBootstrap.bind(discovery),
    refreshServices: discovery.refreshServices.bind(discovery),
  };
}

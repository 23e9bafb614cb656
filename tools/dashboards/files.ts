// The dashboards as they stand in the repository, for users to import.
import { marketplaceDashboard } from './marketplace.ts';
import { networkDashboard } from './network.ts';
import { nodeDashboard } from './node.ts';

/** Each dashboard's file, relative to the root, and what it holds. */
export const dashboardFiles: Readonly<Record<string, string>> = {
  'packages/metrics/dashboards/lloom-node.json': nodeDashboard,
  'packages/metrics/dashboards/lloom-marketplace.json': marketplaceDashboard,
  'packages/metrics/dashboards/lloom-network.json': networkDashboard,
};

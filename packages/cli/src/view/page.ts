import { browserScript, contentPolicy } from '@lloom/inspector/html';
import { createBits } from './browser/bits.ts';
import { createCharts } from './browser/charts.ts';
import { connect } from './browser/connection.ts';
import { drawDetails } from './browser/details.ts';
import { createElements } from './browser/elements.ts';
import { gatherPeers } from './browser/gather.ts';
import { drawMachines } from './browser/machines.ts';
import { startView } from './browser/main.ts';
import { drawNetwork } from './browser/network.ts';
import { drawPeersTable } from './browser/peersTable.ts';
import { drawRequests } from './browser/requests.ts';
import { drawTiles } from './browser/tiles.ts';
import { createTopology } from './browser/topology.ts';
import { createWords } from './browser/words.ts';
import { markup } from './page/markup.ts';
import { pageCss } from './page/style.ts';

const places = { events: 'events', chart: 'chart' };

const script = browserScript(startView, places, {
  createElements,
  createWords,
  createBits,
  createTopology,
  createCharts,
  gatherPeers,
  drawTiles,
  drawPeersTable,
  drawRequests,
  drawMachines,
  drawNetwork,
  drawDetails,
  connect,
});

const page = [
  '<!doctype html>',
  '<html lang="en" data-phase="connecting"><head><meta charset="utf-8">',
  '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="referrer" content="no-referrer">',
  '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,"><title>Lloom node</title>',
  `<style>${pageCss}</style></head><body>${markup}<script>${script}</script></body></html>\n`,
].join('\n');

/**
 * The page of the web view, complete: one HTML document that loads nothing. It listens at `events` and asks for charts at
 * `chart`, both beside itself and with its own query.
 */
export function viewPage(): string {
  return page;
}

/** What the page may do, for the header Content-Security-Policy: run its own script, and talk to whoever served it. */
export const viewPolicy: string = `${contentPolicy({ scripts: [script], styles: [pageCss] })}; connect-src 'self'; frame-ancestors 'none'`;

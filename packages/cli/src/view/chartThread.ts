// Draws charts in a thread of its own: a node must not stand still for as long as that takes.
import { parentPort } from 'node:worker_threads';
import { errorText } from '@lloom/core';
import { chartSvg, type MachineChart } from '@lloom/inspector';
import type { DrawnChart } from './charts.ts';

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
const tell = (said: DrawnChart | 'ready'): void => parentPort?.postMessage(said);
parentPort?.on('message', (chart: MachineChart) => {
  chartSvg(chart).then(
    (svg) => tell({ svg }),
    (error: unknown) => tell({ problem: errorText(error) }),
  );
});
tell('ready');

// Draws charts in a thread of its own: a node must not stand still for as long as that takes.
import { parentPort } from 'node:worker_threads';
import { errorText } from '@lloom/core';
import { chartSvg } from '@lloom/inspector';
import type { ChartOrder, DrawnChart } from './charts.ts';

parentPort?.on('message', ({ machine, chart }: ChartOrder) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  const tell = (drawn: DrawnChart): void => parentPort?.postMessage(drawn);
  chartSvg(chart).then(
    (svg) => tell({ machine, svg }),
    (error: unknown) => tell({ machine, problem: errorText(error) }),
  );
});

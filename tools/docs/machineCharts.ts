// Prints what the pages of machines are made from, as JSON: `node --conditions=@lloom/source machineCharts.ts <id>=<file>…`.
// A process of its own, because machines are loaded from the sources.
import { pathToFileURL } from 'node:url';

import { chartMermaid, chartSvg, machineChart, type MachineChart } from '@lloom/inspector';
import type { AnyStateMachine } from 'xstate';

/** What is drawn of one machine. */
export interface DrawnMachine {
  readonly chart: MachineChart;
  readonly svg: string;
  readonly mermaid: string;
}

const isMachine = (value: unknown): value is AnyStateMachine =>
  typeof value === 'object' && value !== null && 'root' in value && 'definition' in value;

const drawn: DrawnMachine[] = [];
for (const argument of process.argv.slice(2)) {
  const [, id = '', file = ''] = /^([^=]*)=(.*)$/.exec(argument) ?? [];
  const module = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  const machine = Object.values(module)
    .filter(isMachine)
    .find((each) => each.id === id);
  if (machine === undefined) throw new Error(`${file} exports no machine "${id}"`);
  const chart = machineChart(machine);
  drawn.push({ chart, svg: await chartSvg(chart), mermaid: chartMermaid(chart) });
}
process.stdout.write(JSON.stringify(drawn));

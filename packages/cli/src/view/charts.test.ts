import type { ChartState, MachineChart } from '@lloom/inspector';
import { expect, test } from 'vitest';
import { Charts } from './charts.ts';

const nothing = { initial: [], entry: [], exit: [], invokes: [], transitions: [], states: [] };

/** A machine of one state. */
function chartOf(id: string): MachineChart {
  const root: ChartState = { ...nothing, id, path: '', name: id, type: 'atomic' };
  return { id, shape: id, root };
}

test('charts that were not drawn when the view closes are not drawn any more', async () => {
  const charts = new Charts({ chart: chartOf });
  const drawn = Promise.allSettled([charts.of('door'), charts.of('lamp')]);
  charts.close();
  expect((await drawn).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
});

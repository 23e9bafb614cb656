import type { ViewSample } from '../types.ts';
import type { Child, Model, Piece, Tools } from './types.ts';

/** The figures of the node, each with its curve of the last two minutes. */
export function drawTiles(tools: Tools, model: Model): readonly Child[] {
  const { h } = tools;
  const { samples, node } = model.state;
  const perSecond = (value: number): string => `${tools.bytes(value)}/s`;
  const view = { width: 120, height: 34, most: 120 };

  const curve = (values: readonly number[]): Piece => {
    const top = Math.max(1e-9, ...values);
    const step = view.width / (view.most - 1);
    const points = values.map((value, index) => {
      const x = view.width - (values.length - 1 - index) * step;
      const y = view.height - 2 - (Math.max(0, value) / top) * (view.height - 5);
      return `${x.toFixed(1)} ${y.toFixed(1)}`;
    });
    const first = (view.width - (values.length - 1) * step).toFixed(1);
    const line = points.length < 2 ? '' : `M${points.join('L')}`;
    const area = line === '' ? '' : `${line}L${view.width} ${view.height}L${first} ${view.height}z`;
    return h(
      'svg',
      {
        class: 'curve',
        viewBox: `0 0 ${view.width} ${view.height}`,
        preserveAspectRatio: 'none',
        'aria-hidden': 'true',
      },
      h('path', { class: 'area', d: area }),
      h('path', { class: 'line', d: line }),
    );
  };

  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

  const tile = (
    name: string,
    read: (sample: ViewSample) => number,
    { say = tools.count, isRate = false }: { say?: (value: number) => string; isRate?: boolean } = {},
  ): Piece => {
    const values = samples.slice(-view.most).map(read);
    const now = (isRate ? mean(values.slice(-5)) : values.at(-1)) ?? 0;
    return h(
      'div',
      { class: 'tile', key: name },
      h('dt', {}, name),
      h('dd', {}, h('b', {}, say(now)), h('span', { class: 'soft' }, `peak ${say(Math.max(0, ...values))}`)),
      curve(values),
    );
  };

  const { load } = node.rpc;
  return [
    tile('Connected peers', ({ connectedPeers }) => connectedPeers),
    tile('Active requests', ({ activeRequests }) => activeRequests),
    tile('Messages', ({ sentPerSecond, receivedPerSecond }) => sentPerSecond + receivedPerSecond, {
      say: (value) => `${tools.figure(value)}/s`,
      isRate: true,
    }),
    tile('Received', ({ bytesInPerSecond }) => bytesInPerSecond, { say: perSecond }),
    tile('Sent', ({ bytesOutPerSecond }) => bytesOutPerSecond, { say: perSecond }),
    h(
      'div',
      { class: 'tile', key: 'capacity' },
      h('dt', {}, 'Free slots'),
      h(
        'dd',
        {},
        h('b', {}, tools.count(load.freeSlots)),
        h(
          'span',
          { class: 'soft' },
          `of ${tools.count(load.capacity)}, ${tools.count(load.queueDepth)} waiting`,
        ),
      ),
      h('progress', {
        max: Math.max(1, load.capacity),
        value: Math.max(0, load.capacity - load.freeSlots),
        'aria-label': 'Slots in use',
      }),
    ),
  ];
}

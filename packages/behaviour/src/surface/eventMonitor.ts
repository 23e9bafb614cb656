import { EventMonitor as AnyEventMonitor } from '@lloom/metrics';
import type { LloomEvent } from '../events.ts';

/**
 * Counts the events of a node by their type.
 *
 * @example
 * ```ts
 * const monitor = new EventMonitor();
 * for await (const event of node.events({ signal })) monitor.onEvent(event);
 * console.log(monitor.statistics(), await monitor.exportPrometheusMetrics());
 * ```
 */
export class EventMonitor<E extends { readonly type: string } = LloomEvent> extends AnyEventMonitor<E> {}

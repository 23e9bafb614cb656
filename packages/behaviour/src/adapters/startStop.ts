interface Startable {
  start(): void | Promise<void>;
  stop(): void | Promise<void>;
}

/**
 * Has a service that is stopped while it starts end starting first. When one service cannot start, libp2p stops all others at
 * once, and kad-dht would begin with what was just stopped, for good.
 */
export function stopsAfterStart<Components, Service extends object>(
  create: (components: Components) => Service,
): (components: Components) => Service {
  return (components) => {
    const service = create(components) as Service & Startable;
    const start = service.start.bind(service);
    const stop = service.stop.bind(service);
    let starting: Promise<unknown> = Promise.resolve();
    service.start = async () => {
      const started = Promise.resolve(start());
      starting = started.catch(() => undefined);
      await started;
    };
    service.stop = async () => {
      await starting;
      await stop();
    };
    return service;
  };
}

interface Debounced {
  readonly stop?: () => void;
}

/** What of libp2p is used to end what waits. Its types do not show it, so that another version may not have it. */
interface Waiting {
  readonly _push?: Debounced;
  readonly _updatePeerStoreAddresses?: Debounced;
}

/**
 * Takes back what would be noted of the node's addresses, and told to peers, in some seconds: libp2p keeps those timers, and with
 * them the process, beyond the end of the node.
 */
export function endWaiting(...parts: readonly object[]): void {
  for (const { _push, _updatePeerStoreAddresses } of parts as readonly Waiting[]) {
    _push?.stop?.();
    _updatePeerStoreAddresses?.stop?.();
  }
}

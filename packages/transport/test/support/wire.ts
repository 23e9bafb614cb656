import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** What stands between a client and a server, and can do to their bytes what a bad network does. */
export interface Wire {
  /** Where the client connects. */
  readonly port: number;
  /** Changes one bit of what the client sends next. */
  corruptNext(): void;
  /** Takes nothing more from the client, until `release`. */
  hold(): void;
  release(): void;
  /** Resets both connections. */
  cut(): void;
  /** Resets what is left and stops listening. */
  close(): void;
}

/** A wire to a port of this machine. */
export async function createWire(target: number): Promise<Wire> {
  const sockets = new Set<Socket>();
  let isCorrupting = false;
  let client: Socket | undefined;
  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1');
    client = near;
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      // Cutting is what this is for.
      socket.on('error', () => undefined);
    }
    near.on('data', (bytes) => {
      if (isCorrupting) bytes[bytes.length - 1]! ^= 1;
      isCorrupting = false;
      if (!far.write(bytes)) near.pause();
    });
    far.on('drain', () => near.resume());
    far.on('data', (bytes) => near.write(bytes));
    near.on('close', (isBroken) => (isBroken ? far.resetAndDestroy() : far.destroySoon()));
    far.on('close', (isBroken) => (isBroken ? near.resetAndDestroy() : near.destroySoon()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    corruptNext: () => void (isCorrupting = true),
    hold: () => void client?.pause(),
    release: () => void client?.resume(),
    cut,
    close() {
      cut();
      server.close();
    },
  };
}

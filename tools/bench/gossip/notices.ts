import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

const idBytes = 4;

/** Tells another process which messages all nodes here have. By way of the parent it would cost more than is measured. */
export class Notices {
  readonly #socket: Socket;
  #told: number[] = [];
  #rest: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket, onId: (id: number) => void) {
    this.#socket = socket.setNoDelay(true).on('data', (chunk: Buffer) => {
      const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
      const end = bytes.length - (bytes.length % idBytes);
      for (let at = 0; at < end; at += idBytes) onId(bytes.readUInt32BE(at));
      this.#rest = bytes.subarray(end);
    });
  }

  /** Waits for the other process at a port, which is said first. */
  static async listen(onId: (id: number) => void): Promise<{ port: number; notices: Promise<Notices> }> {
    const server = createServer();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const notices = once(server, 'connection').then(([socket]) => new Notices(socket as Socket, onId));
    return { port: (server.address() as AddressInfo).port, notices };
  }

  /** Connects to the other process. */
  static async connect(port: number, onId: (id: number) => void): Promise<Notices> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new Notices(socket, onId);
  }

  /** Tells an id: all of one turn together. */
  tell(id: number): void {
    if (this.#told.push(id) > 1) return;
    setImmediate(() => {
      const bytes = Buffer.allocUnsafe(this.#told.length * idBytes);
      for (const [i, told] of this.#told.entries()) bytes.writeUInt32BE(told, i * idBytes);
      this.#told = [];
      this.#socket.write(bytes);
    });
  }
}

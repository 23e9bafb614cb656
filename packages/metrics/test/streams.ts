import { StreamMessageEvent, type MultiaddrConnection, type Stream } from '@libp2p/interface';

/** As much of a stream as counting needs: what is sent goes nowhere, what arrives is said by the test. */
class FakeStream extends EventTarget {
  readonly direction: 'inbound' | 'outbound';
  readonly protocol: string;
  readonly remoteAddr: { readonly toString: () => string };
  status = 'open';
  readonly sent: Uint8Array[] = [];
  readonly givenBack: Uint8Array[] = [];

  constructor({ protocol = '/test/1.0.0', direction = 'outbound', address = '/ip4/127.0.0.1/tcp/1' }: Given) {
    super();
    this.protocol = protocol;
    this.direction = direction;
    this.remoteAddr = { toString: () => address };
  }

  send(data: Uint8Array): boolean {
    if (this.status !== 'open') throw new Error('Cannot write to a stream that is closed');
    this.sent.push(data);
    return this.sent.length < 3;
  }

  unshift(data: Uint8Array): void {
    this.givenBack.push(data);
  }

  arrive(bytes: number): boolean {
    return this.dispatchEvent(new StreamMessageEvent(new Uint8Array(bytes)));
  }

  end(): void {
    this.status = 'closed';
    this.dispatchEvent(new Event('close'));
  }
}

interface Given {
  readonly protocol?: string;
  readonly direction?: 'inbound' | 'outbound';
  readonly address?: string;
}

export const createStream = (given: Given = {}) =>
  new FakeStream(given) as unknown as FakeStream & Stream & MultiaddrConnection;
